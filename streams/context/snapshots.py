"""When context snapshots are due: every few seconds, less often the larger they are."""

from collections.abc import Iterable

from latentwatch.domain.clock import Clock
from latentwatch.domain.outcome import ContextSnapshot
from latentwatch.streams.context.context_store import ContextStore

_EVERY_SECONDS = 5.0
_BYTES_PER_SECOND = 2_000_000
"""Snapshots may cost the database this much on average; a larger context is saved less often."""


class SnapshotSchedule:
    """Keeps count of which partitions moved since their last snapshot."""

    def __init__(self, clock: Clock, every_seconds: float = _EVERY_SECONDS) -> None:
        self._clock = clock
        self._every_seconds = every_seconds
        self._due = clock.monotonic() + every_seconds
        self._moved: set[int] = set()
        self._missing: set[int] = set()

    def due(self, moving: Iterable[int]) -> bool:
        """Whether an outcome that moves these partitions should carry snapshots.

        A partition's first step always does: a position without a snapshot would be one without its context.
        """
        return self._clock.monotonic() >= self._due or not self._missing.isdisjoint(moving)

    def miss(self, partition: int) -> None:
        """This partition has no snapshot that could be loaded."""
        self._missing.add(partition)

    def note(self, partitions: Iterable[int]) -> None:
        """These partitions moved on."""
        self._moved.update(partitions)

    def take(self, contexts: ContextStore, read_to: dict[int, int], bundle: str) -> tuple[ContextSnapshot, ...]:
        """Snapshots, each at the offset its context has reached, of the partitions that moved; they count as taken."""
        snapshots = tuple(
            ContextSnapshot(partition, read_to[partition], bundle, contexts.snapshot(partition))
            for partition in sorted(self._moved & read_to.keys())
        )
        self._missing -= self._moved
        self._moved.clear()
        size = sum(len(snapshot.blob) for snapshot in snapshots)
        self._due = self._clock.monotonic() + max(self._every_seconds, size / _BYTES_PER_SECOND)
        return snapshots
