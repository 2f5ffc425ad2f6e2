"""What a member of a consumer group knows of its partitions, whichever client speaks to the broker.

A client's own source is a subclass that connects, fetches and places partitions; the accounts of what the group gave and
took, where delivery goes on and what the broker no longer has are kept here, once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import structlog

from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.streams.ports import Changes, Gap, Messages
from latentwatch.streams.watching.stall import StallWatch

log = structlog.get_logger()

Start = Literal["earliest", "latest"]

_ASK_SECONDS = 0.05
"""How long the broker's answer holds, so that a fast stream pays little for it. Only a topic that is deleted, made anew and
filled beyond the old one's end within this time is taken for the old one; the first two alone take longer."""


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
        self.topic_id: str | None = None
        self._topic = topic
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
        self._recreated: str | None = None
        self._asked = float("-inf")
        """When the broker last said that the topic is still the one that was opened."""

    @abstractmethod
    def seek(self, partition: int, offset: int) -> None:
        """Deliver a partition from this offset on. Raises KeyError where it is not assigned."""

    @abstractmethod
    def _silence(self, partitions: Iterable[int]) -> None:
        """Have the client fetch no more of these; no matter where one was given away meanwhile."""

    @abstractmethod
    def _let_speak(self, partitions: Iterable[int]) -> None:
        """The reverse."""

    @abstractmethod
    def _ask_topic_id(self) -> str | None:
        """The topic's id as the broker has it now; None where it has no answer, or there is no topic now."""

    def changes(self) -> Changes:
        """What the group gave and took since the last call.

        What is gained or missing waits until it is known which topic that is true of.
        """
        if (self._gained or self._gaps) and not self._is_same(0.0):
            lost, self._lost = tuple(self._lost), {}
            return Changes(lost, recreated=self._recreated)
        changes = Changes(tuple(self._lost), tuple(self._gained), tuple(self._gaps.values()), self._recreated)
        self._lost, self._gained, self._gaps = {}, {}, {}
        return changes

    def _is_same(self, fresh_seconds: float) -> bool:
        """Whether the topic is known to be the one that was opened; the broker is asked unless it said so just now.

        A client goes on in a topic that took the name, at the offset it had reached, if that topic is long enough by
        then; else the broker refuses the offset, which is a gap until the id says what it is.
        """
        if self.topic_id is None:  # the broker (before Kafka 2.8) does not number its topics
            return True
        now = self._clock.monotonic()
        if now - self._asked <= fresh_seconds:
            return True
        found = self._ask_topic_id()
        if found == self.topic_id:
            self._asked = now
        elif found is not None:
            self._recreated = found
        return found == self.topic_id

    def _genuine(self, messages: Messages) -> Messages:
        """The messages that were polled; none of those of a topic made anew."""
        if self._recreated is None and len(messages):
            self._is_same(_ASK_SECONDS)
        return messages if self._recreated is None else messages.cut(0, 0)

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
