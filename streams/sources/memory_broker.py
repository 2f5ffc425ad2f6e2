"""A broker in memory that ships with the room: its sources keep the contract of those of Kafka."""

from collections.abc import Iterable
from typing import Literal

from latentwatch.domain.clock import Clock, ManualClock
from latentwatch.domain.record import RawMessage
from latentwatch.streams.ports import Changes, Gap, Messages, messages_of


class MemoryBroker:
    """One topic of some partitions, shared by the sources of one group; partitions move when members come and go."""

    def __init__(self, topic: str = "memory", partitions: int = 1, clock: Clock | None = None) -> None:
        self.topic = topic
        self.clock = clock or ManualClock()
        self.logs: dict[int, list[RawMessage]] = {number: [] for number in range(partitions)}
        self.ends: dict[int, int] = dict.fromkeys(self.logs, 0)
        self.begins: dict[int, int] = dict.fromkeys(self.logs, 0)
        self.start: Literal["earliest", "latest"] = "earliest"
        """Where a monitor begins that has no position yet."""
        self.topic_id: str | None = "memory-1"
        self._members: list[MemorySource] = []

    def produce(self, value: bytes | None, partition: int = 0, timestamp_ms: int = 0) -> int:
        """Append a message; its offset."""
        offset = self.ends[partition]
        self.logs[partition].append(RawMessage(partition, offset, value, timestamp_ms))
        self.ends[partition] = offset + 1
        return offset

    def add_partition(self) -> int:
        """One partition more, for somebody to read; its number."""
        partition = len(self.logs)
        self.logs[partition], self.begins[partition], self.ends[partition] = [], 0, 0
        self.rebalance()
        return partition

    def skip_offsets(self, partition: int, count: int) -> None:
        """Leave a gap, as compaction and transaction markers do."""
        self.ends[partition] += count

    def delete_before(self, partition: int, offset: int) -> None:
        """Retention: forget a partition's beginning."""
        self.begins[partition] = max(self.begins[partition], offset)
        self.logs[partition] = [message for message in self.logs[partition] if message.offset >= offset]

    def recreate(self) -> None:
        """Delete the topic and make another one of the same name, as empty as it was at first."""
        self.topic_id = f"{self.topic_id}'"
        for partition in self.logs:
            self.logs[partition], self.begins[partition], self.ends[partition] = [], 0, 0

    def join(self, finite: bool = True) -> "MemorySource":
        """A new member of the group. A finite source finishes when it has delivered everything there is."""
        source = MemorySource(self, finite)
        self._members.append(source)
        self.rebalance()
        return source

    def leave(self, source: "MemorySource") -> None:
        """A member goes, cleanly or not."""
        if source in self._members:
            self._members.remove(source)
            source.assign(())
            self.rebalance()

    def turn(self) -> None:
        """Every member gets what another one had."""
        self._members = self._members[1:] + self._members[:1]
        self.rebalance()

    def rebalance(self) -> None:
        """Deal the partitions out anew; a member keeps what it has where that is its due."""
        for number, member in enumerate(self._members):
            member.assign([p for p in self.logs if p % len(self._members) == number])


class MemorySource:
    """A member of an in-memory group."""

    live = False

    def __init__(self, broker: MemoryBroker, finite: bool) -> None:
        self.name = broker.topic
        self.topic_id = broker.topic_id
        self.acknowledged: dict[int, int] = {}
        self.closed = False
        self._broker = broker
        self._finite = finite
        self._assigned: set[int] = set()
        self._next: dict[int, int] = {}
        self._paused = False
        self._lost: list[int] = []
        self._gained: list[int] = []
        self._gaps: list[Gap] = []

    def assign(self, partitions: Iterable[int]) -> None:
        """What the broker gives this member."""
        wanted = set(partitions)
        self._lost += sorted(self._assigned - wanted)
        self._gained = [p for p in self._gained if p in wanted] + sorted(wanted - self._assigned)
        self._next = {p: offset for p, offset in self._next.items() if p in wanted}
        self._assigned = wanted

    @property
    def delivering(self) -> dict[int, int]:
        """Sought partition to the offset delivered next."""
        return dict(self._next)

    def open(self) -> None:
        """Nothing to connect to."""

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """Messages of every sought partition in turn."""
        rows: list[RawMessage] = []
        speaks = not self._paused and self.topic_id == self._broker.topic_id
        for partition in sorted(self._next) if speaks else ():
            start = self._next[partition]
            if start < self._broker.begins[partition] or start > self._broker.ends[partition]:
                self._gaps.append(Gap(partition, start, self._broker.begins[partition]))
                del self._next[partition]
                continue
            log = [message for message in self._broker.logs[partition] if message.offset >= start]
            taken = log[: max_records - len(rows)]
            if taken:
                self._next[partition] = taken[-1].offset + 1
            rows += taken
        if not rows:
            self._broker.clock.sleep(timeout_seconds)
        return messages_of(self.name, rows)

    def changes(self) -> Changes:
        """What happened since the last call."""
        recreated = self._broker.topic_id if self.topic_id != self._broker.topic_id else None
        changes = Changes(tuple(self._lost), tuple(self._gained), tuple(self._gaps), recreated)
        self._lost, self._gained, self._gaps = [], [], []
        return changes

    def seek(self, partition: int, offset: int) -> None:
        """Deliver from here."""
        if partition not in self._assigned:
            raise KeyError(partition)
        self._next[partition] = offset

    def hold(self, partition: int) -> None:
        """Silent until sought."""
        self._next.pop(partition, None)

    def starts(self) -> dict[int, int]:
        """Every partition's earliest message, or its end."""
        return dict(self._broker.begins if self._broker.start == "earliest" else self._broker.ends)

    def start_offset(self, partition: int) -> int:
        """The earliest message."""
        return self._broker.begins[partition]

    def pause(self) -> None:
        """Deliver nothing."""
        self._paused = True

    def resume(self) -> None:
        """Deliver again."""
        self._paused = False

    def lag(self) -> dict[int, int]:
        """Records not delivered yet."""
        return {partition: self._broker.ends[partition] - offset for partition, offset in self._next.items()}

    def acknowledge(self, positions: dict[int, int]) -> None:
        """Remember what was told."""
        self.acknowledged.update(positions)

    @property
    def finished(self) -> bool:
        """Whether a finite source has delivered everything."""
        if not self._finite or self._next.keys() != self._assigned:
            return False
        logs, ends = self._broker.logs, self._broker.ends
        return all(
            offset <= ends[partition] and not any(message.offset >= offset for message in logs[partition])
            for partition, offset in self._next.items()
        )

    def close(self) -> None:
        """Leave the group."""
        self.closed = True
        self._broker.leave(self)
