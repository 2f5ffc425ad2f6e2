"""When context snapshots are due, and when people are told of entities."""

from collections.abc import Iterable, Sequence
from math import ceil

from latentwatch.domain.clock import Clock
from latentwatch.domain.outcome import ContextSnapshot, EntityState
from latentwatch.streams.context.context_store import ContextStore

_EVERY_SECONDS = 5.0
_BYTES_PER_SECOND = 2_000_000
"""Snapshots may cost the database this much on average; where more changes, they are taken less often."""
_REPORT_SECONDS = 2.0
_ALL_REPORTED_SECONDS = 30.0
"""Within which all that changed is told, were every entity to speak; a minute is promised."""
_LEAST_REPORTED = 1_000
"""So many are told at once, however few there are."""


class SnapshotSchedule:
    """Keeps count of which partitions moved since their last snapshot."""

    def __init__(self, clock: Clock, every_seconds: float = _EVERY_SECONDS) -> None:
        self._clock = clock
        self._every_seconds = every_seconds
        self._taken = clock.monotonic()
        self._contexts: ContextStore | None = None
        self._packed_before = 0
        self._moved: set[int] = set()
        self._missing: set[int] = set()

    def due(self, moving: Iterable[int]) -> bool:
        """Whether an outcome that moves these partitions should carry snapshots; the last ones are written.

        A partition's first step always does: a position without a snapshot would be one without its context.
        """
        written = 0 if self._contexts is None else self._contexts.packed_bytes - self._packed_before
        wait = max(self._every_seconds, written / _BYTES_PER_SECOND)
        return self._clock.monotonic() >= self._taken + wait or not self._missing.isdisjoint(moving)

    def miss(self, partition: int) -> None:
        """This partition has no snapshot that could be loaded."""
        self._missing.add(partition)

    def note(self, partitions: Iterable[int]) -> None:
        """These partitions moved on."""
        self._moved.update(partitions)

    def take(self, contexts: ContextStore, read_to: dict[int, int], bundle: str) -> tuple[ContextSnapshot, ...]:
        """Snapshots, each at the offset its context has reached, of the partitions that moved; they count as taken."""
        self._contexts, self._packed_before = contexts, contexts.packed_bytes
        snapshots = tuple(
            contexts.snapshot(partition, read_to[partition], bundle)
            for partition in sorted(self._moved & read_to.keys())
        )
        self._missing -= self._moved
        self._moved.clear()
        self._taken = self._clock.monotonic()
        return snapshots


class ReportSchedule:
    """Tells people of entities every few seconds, a part of them at a time, so that no commit waits for many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reported = clock.monotonic()

    def take(self, contexts: ContextStore, partitions: Sequence[int]) -> tuple[EntityState, ...]:
        """Those whose turn it is, among the entities of these partitions; they count as told."""
        waited = self._clock.monotonic() - self._reported
        if waited < _REPORT_SECONDS:
            return ()
        self._reported += waited
        share = waited / _ALL_REPORTED_SECONDS
        return contexts.report(partitions, max(_LEAST_REPORTED, ceil(share * len(contexts))))
