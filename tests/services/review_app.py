"""A review app in a process of its own, for a browser to open."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from deploy.services.process import free_port
from latentwatch.domain.clock import SystemClock

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0


@contextmanager
def serving(module: str, folder: Path) -> Iterator[str]:
    """The address of what `python -m MODULE FOLDER PORT` serves; what it prints must hold no traceback."""
    port, log = free_port(), folder / "review.log"
    command = [sys.executable, "-m", module, str(folder), str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert "Traceback" not in log.read_text()


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while clock.monotonic() < deadline:
        assert process.poll() is None, f"the review app ended:\n{log.read_text()}"
        try:
            if httpx.get(f"{address}/api/healthz", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        clock.sleep(0.2)
    raise AssertionError(f"the review app was not ready after {PATIENCE_SECONDS:.0f} s:\n{log.read_text()}")
