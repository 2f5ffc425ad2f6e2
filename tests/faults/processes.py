"""Scorer processes, forked from one that has imported everything: on a busy machine that spares seconds for each."""

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.worker import main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "tests.faults.worker"])


class ScorerProcess:
    """One scorer. It writes what it says to `log`, and does not outlive `close`."""

    def __init__(self, settings: dict[str, Any], log: Path) -> None:
        self.log = log
        log.touch()
        self._process = _FORKS.Process(target=_run, args=(settings, str(log)))
        self._process.start()
        self.pid: int = self._process.pid or 0

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Its exit code, negative for the signal that ended it. Raises TimeoutError."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"the scorer of {self.log} has not ended after {timeout} s")
        return self._process.exitcode

    def said(self, words: str) -> int:
        """How often its log says something."""
        return self.log.read_text(errors="replace").count(words)

    def close(self) -> None:
        """Kill it, if it still runs."""
        if self.running:
            self._process.kill()
            self._process.join(30)


def _run(settings: dict[str, Any], log: str) -> None:
    out = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(out, stream.fileno())
    main(settings)
