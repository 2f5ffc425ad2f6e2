"""What a scoring process says of itself every few seconds, so that people see it among the scorers."""

import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace

import structlog

from latentwatch.alerts.database import Engine
from latentwatch.alerts.heartbeats import Heartbeat, beat, farewell
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable

_BEAT_SECONDS = 2.0


class HeartbeatWriter:
    """Writes a process's heartbeats; a database that is away costs a beat, never the scorer. Used by one thread."""

    def __init__(self, engine: Engine, monitor: str, clock: Clock) -> None:
        self._engine = engine
        self._monitor = monitor
        self._clock = clock
        self._id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._started = clock.now()
        self._last = float("-inf")
        self._records = 0

    def scoring(self, records: int, complete: Callable[[Heartbeat], Heartbeat]) -> None:
        """Say how it goes, unless that was said a moment ago: `records` scored since the start, and what `complete` adds,
        which is called where a beat is due."""
        elapsed = self._elapsed()
        if not elapsed:
            return
        rate = 0.0 if elapsed == float("inf") else (records - self._records) / elapsed
        self._records = records
        self._attempt(
            lambda: beat(
                self._engine,
                complete(replace(self._silent(""), records=records, records_per_second=round(rate, 1))),
            )
        )

    def waiting(self, reason: str) -> None:
        """Say why nothing is scored here yet, unless that was said a moment ago."""
        if reason and self._elapsed():
            self._attempt(lambda: beat(self._engine, self._silent(reason)))

    def end(self) -> None:
        """Say goodbye."""
        self._attempt(lambda: farewell(self._engine, self._id, self._clock.now()))

    def _elapsed(self) -> float:
        """Seconds since the last beat; 0 where it is too early for another."""
        now = self._clock.monotonic()
        elapsed = now - self._last
        if elapsed < _BEAT_SECONDS:
            return 0.0
        self._last = now
        return elapsed

    def _silent(self, state: str) -> Heartbeat:
        """The heartbeat of a process that has scored nothing."""
        return Heartbeat(
            id=self._id,
            monitor=self._monitor,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=self._started,
            seen=self._clock.now(),
            last_commit=None,
            partitions=[],
            model_version=None,
            lag=None,
            records=0,
            records_per_second=0.0,
            state=state,
        )

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Unavailable as error:
            structlog.get_logger().warning("heartbeat not written", reason=str(error))
