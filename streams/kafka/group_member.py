"""What a member of a consumer group knows of its partitions, whichever client speaks to the broker.

A client's own source is a subclass that connects, fetches and places partitions; the accounts of what the group gave and
took, where delivery goes on and what the broker no longer has are kept here, once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import structlog

from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.streams.ports import Changes, Gap
from latentwatch.streams.watching.stall import StallWatch

log = structlog.get_logger()

Start = Literal["earliest", "latest"]


class GroupMember(ABC):
    """The half of a Source that is the same for every client. Used by one thread."""

    live = True

    def __init__(
        self,
        topic: str,
        servers: str,
        group: str,
        *,
        start: Start = "earliest",
        clock: Clock | None = None,
        on_stall: Callable[[int], None] | None = None,
    ) -> None:
        self.name = topic
        self._servers = servers
        self._group = group
        self._start = start
        self._clock = clock or SystemClock()
        self._stall = StallWatch(self._clock)
        self._on_stall = on_stall or (lambda partition: None)
        self._next: dict[int, int] = {}
        """Sought partition to the offset that is delivered next."""
        self._paused = False
        self._lost: dict[int, None] = {}
        self._gained: dict[int, None] = {}
        self._gaps: dict[int, Gap] = {}

    @abstractmethod
    def seek(self, partition: int, offset: int) -> None:
        """Deliver a partition from this offset on. Raises KeyError where it is not assigned."""

    @abstractmethod
    def _silence(self, partitions: Iterable[int]) -> None:
        """Have the client fetch no more of these; no matter where one was given away meanwhile."""

    @abstractmethod
    def _let_speak(self, partitions: Iterable[int]) -> None:
        """The reverse."""

    def changes(self) -> Changes:
        """What the group gave and took since the last call."""
        changes = Changes(tuple(self._lost), tuple(self._gained), tuple(self._gaps.values()))
        self._lost, self._gained, self._gaps = {}, {}, {}
        return changes

    def hold(self, partition: int) -> None:
        """Stop delivering one partition until it is sought again."""
        self._next.pop(partition, None)
        self._silence([partition])

    def pause(self) -> None:
        """Deliver nothing, but keep the partitions."""
        self._paused = True
        self._silence(list(self._next))

    def resume(self) -> None:
        """Deliver again what was sought."""
        self._paused = False
        self._let_speak(list(self._next))

    @property
    def finished(self) -> bool:
        """A topic never ends."""
        return False

    def _note_gained(self, partition: int) -> None:
        self._next.pop(partition, None)
        self._gained[partition] = None

    def _note_lost(self, partition: int) -> None:
        for notes in (self._next, self._gained, self._gaps):
            notes.pop(partition, None)
        self._lost[partition] = None

    def _note_gap(self, partition: int, start: int, end: int) -> None:
        """Offsets that the broker no longer has: silence the partition and report where it begins now."""
        self._gaps[partition] = Gap(partition, start, end)
        self.hold(partition)

    def _rouse(self, ends: Mapping[int, int], client: Mapping[int, int] | None = None) -> None:
        """Seek anew what stands still while records wait in it: clients have had such bugs. Both as StallWatch has them."""
        for partition in self._stall.stalled(ends, client):
            log.error("partition stands still while records wait in it, seeking it anew", partition=partition)
            self._on_stall(partition)
            self.seek(partition, self._next[partition])
