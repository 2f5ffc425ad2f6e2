"""Waiting for a service that is away: visible, with jitter, and over as soon as somebody says stop."""

import random
from collections.abc import Callable
from threading import Event
from typing import TypeVar

import structlog

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable

log = structlog.get_logger()

Result = TypeVar("Result")

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0


class Stopped(Exception):
    """Waiting ended because the process is to stop."""


class Backoff:
    """Growing delays with jitter, so that many scorers do not come back in the same instant."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._attempt = 0

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, 16)
        return delay * (0.5 + self._random.random() / 2)


def wait_for(
    attempt: Callable[[], Result],
    clock: Clock,
    stop: Event,
    *,
    patience_seconds: float = float("inf"),
) -> Result:
    """Repeat an attempt that may raise Unavailable until it succeeds.

    Every failure is logged. Raises the last Unavailable when patience ends, Stopped when `stop` is set.
    """
    backoff, started = Backoff(), clock.monotonic()
    while True:
        try:
            return attempt()
        except Unavailable as error:
            if stop.is_set():
                raise Stopped from error
            delay = backoff.next()
            if clock.monotonic() - started + delay > patience_seconds:
                raise
            log.warning("waiting", reason=str(error), again_seconds=round(delay, 1))
        clock.sleep(delay)
        if stop.is_set():
            raise Stopped
