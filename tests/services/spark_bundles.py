"""The bundles of the fault tests as Spark's workers open them."""

from functools import lru_cache

from latentwatch.streams.testing import FakeDetector
from tests.faults import readings
from tests.faults.workload import detector


@lru_cache(maxsize=2)
def load(folder: str, bundle: str) -> FakeDetector:
    """The fake detector of a bundle."""
    return detector(bundle)


def load_readings(folder: str, bundle: str) -> FakeDetector:
    """The same, of values in long form."""
    return readings.detector(bundle)


def broken(folder: str, bundle: str) -> FakeDetector:
    """Fails as a worker may that is not what the job thinks it is."""
    raise RuntimeError("the disk of this worker is gone")
