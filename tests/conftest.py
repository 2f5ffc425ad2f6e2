"""What every test stands on: an environment that is the same on every machine."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

PREFIX = "LATENTWATCH_"
# Where tests may be told to find data and services; everything else of ours in the environment would change results.
FOR_TESTS = ("LATENTWATCH_TEST_", "LATENTWATCH_SOAK_")
DATA = "LATENTWATCH_DATA"

for name in [
    name for name in os.environ if name.startswith(PREFIX) and not name.startswith(FOR_TESTS) and name != DATA
]:
    del os.environ[name]

# Before numpy and torch are imported: small matrices gain nothing from more threads, and test processes share the cores.
for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# scikit-learn leaves out its check of array types unless scipy is asked for them.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# How long an example takes tells what else the machine is doing, and fails nothing.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# A run that is told to end (a time limit's SIGTERM) ends as by Ctrl-C: fixtures finish, and no service stays behind.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """Commands that run until stopped take the signals over; a test of one gives them back, or nothing could end the run."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
