"""Notices a partition whose position stands still while records wait in it: the symptom of a consumer that has gone deaf."""

from collections.abc import Mapping

from latentwatch.domain.clock import Clock

_LOOK_EVERY_SECONDS = 10.0
_STALLED_AFTER_LOOKS = 3


class StallWatch:
    """Compares positions over several looks. The ends are asked for only of partitions that stand still."""

    def __init__(self, clock: Clock, every_seconds: float = _LOOK_EVERY_SECONDS) -> None:
        self._clock = clock
        self._every_seconds = every_seconds
        self._next_look = clock.monotonic() + every_seconds
        self._before: dict[int, int] = {}
        self._looks: dict[int, int] = {}
        self._ends: dict[int, int] = {}

    def due(self) -> bool:
        """Whether it is time to look; True once an interval."""
        if self._clock.monotonic() < self._next_look:
            return False
        self._next_look = self._clock.monotonic() + self._every_seconds
        return True

    def standing(self, positions: dict[int, int]) -> list[int]:
        """Partitions that have not moved since the last look."""
        still = [partition for partition, offset in positions.items() if self._before.get(partition) == offset]
        self._before = dict(positions)
        self._looks = {partition: self._looks.get(partition, 0) for partition in still}
        self._ends = {partition: end for partition, end in self._ends.items() if partition in self._looks}
        return still

    def stalled(self, ends: Mapping[int, int], client: Mapping[int, int] | None = None) -> list[int]:
        """Partitions that stood still in several looks while records wait before their end.

        `client` says how far the client itself has read, where it can tell: what transactions and compaction leave behind
        the last record is no record. Where it cannot, only an end that grows shows that there are some.
        """
        found = []
        for partition, end in ends.items():
            if client is not None:
                waits = client.get(partition, end) < end
            else:
                waits = end > self._ends.setdefault(partition, end) and end > self._before.get(partition, end)
            self._looks[partition] = self._looks.get(partition, 0) + 1 if waits else 0
            if self._looks[partition] >= _STALLED_AFTER_LOOKS:
                found.append(partition)
                self._looks[partition] = 0
        return found
