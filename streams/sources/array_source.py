"""Messages that hold a JSON array of records each, as a source of records: every record has a position of its own.

The records of message m end at offset (m + 1) x STRIDE - 1, the last one, and count back from there: behind a message's
last record comes the next message, and nothing is read twice to find that out. So everything behind the source (fence,
dead letters, traces, replay, contract) stays as it is, and a batch may end in the middle of a message. The source has a
name of its own, so that positions of messages and of records are never taken for each other.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from latentwatch.streams.decoding.unpacking import Unpack, elements
from latentwatch.streams.ports import Changes, Gap, Messages, Source
from latentwatch.streams.segments import segments

STRIDE = 1_000_000
"""More records than a message can hold: Kafka takes a megabyte by default. A message with more is one dead letter."""

_USUAL_RECORDS = 100
"""In a message, until the first ones were seen."""
_NEVER = np.iinfo(np.int64).max


def name_of(topic: str) -> str:
    """What the stream of a topic's records is called; no topic can be called so."""
    return f"{topic}/records"


def split(messages: Messages, name: str | None = None, unpack: Unpack = elements) -> Messages:
    """Each record as a message: at its own offset, with its message's time; `name` is the stream's, if not the usual.

    `unpack` takes a message apart. An array of nothing gives nothing. What is no array is one record, also where it is no JSON: decoding says so.
    """
    values: list[bytes | None] = []
    counts = np.ones(len(messages), np.int64)
    for row, value in enumerate(messages.values):
        records = None if value is None else unpack(value)
        if records is not None and len(records) > STRIDE:
            records = None
        if records is None:
            values.append(value)
        else:
            counts[row] = len(records)
            values += records
    behind = np.repeat(np.cumsum(counts), counts) - np.arange(len(values))
    return Messages(
        name or name_of(messages.source),
        np.repeat(messages.partitions, counts),
        np.repeat((messages.offsets + 1) * STRIDE, counts) - behind,
        np.repeat(messages.timestamps_ms, counts),
        values,
    )


class ArraySource:
    """A source of messages, record by record. What was read of a message and not yet delivered waits here."""

    def __init__(self, messages: Source, unpack: Unpack = elements) -> None:
        self._unpack = unpack
        self.name = name_of(messages.name)
        self.live = messages.live
        self._source = messages
        self._waiting: deque[Messages] = deque()
        self._next: dict[int, int] = {}
        """Sought partition to the offset delivered next."""
        self._records_a_message = _USUAL_RECORDS
        self._paused = False

    @property
    def topic_id(self) -> str | None:
        """Of the topic that carries the messages."""
        return self._source.topic_id

    def open(self) -> None:
        """Open the source of messages."""
        self._source.open()

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """At most `max_records` records. Messages are polled when none wait: about as many as make up that number."""
        if self._paused or not self._waiting:
            found = self._source.poll(max(1, max_records // self._records_a_message), timeout_seconds)
            if len(found):
                self._take(split(found, self.name, self._unpack), len(found))
        if self._paused:
            return _none(self.name)
        taken: list[Messages] = []
        left = max_records
        while left and self._waiting:
            first = self._waiting.popleft()
            rows = np.arange(len(first))
            if len(first) > left:
                self._waiting.appendleft(first.take(rows >= left))
                first = first.take(rows < left)
            left -= len(first)
            taken.append(first)
        delivered = _together(self.name, taken)
        for partition, _, last in segments(delivered.partitions):
            self._next[partition] = int(delivered.offsets[last - 1]) + 1
        return delivered

    def _take(self, records: Messages, messages: int) -> None:
        """Keep what comes at or behind the place that was sought, which may be in the middle of a message."""
        self._records_a_message = max(1, len(records) // messages)
        fresh = np.zeros(len(records), bool)
        for partition, first, last in segments(records.partitions):
            fresh[first:last] = records.offsets[first:last] >= self._next.get(partition, _NEVER)
        if fresh.any():
            self._waiting.append(records.take(fresh))

    def changes(self) -> Changes:
        """What happened to the partitions."""
        changes = self._source.changes()
        for partition in (*changes.lost, *changes.gained, *(gap.partition for gap in changes.gaps)):
            self._forget(partition)
        gaps = tuple(Gap(gap.partition, gap.start * STRIDE, gap.end * STRIDE) for gap in changes.gaps)
        return Changes(changes.lost, changes.gained, gaps, changes.recreated)

    def seek(self, partition: int, offset: int) -> None:
        """Deliver a partition from this record on. Raises KeyError where it is not assigned."""
        self._source.seek(partition, offset // STRIDE)
        self._forget(partition)
        self._next[partition] = offset

    def hold(self, partition: int) -> None:
        """Stop delivering one partition until it is sought again."""
        self._source.hold(partition)
        self._forget(partition)

    def _forget(self, partition: int) -> None:
        self._next.pop(partition, None)
        kept = [records.take(records.partitions != partition) for records in self._waiting]
        self._waiting = deque(records for records in kept if len(records))

    def starts(self) -> dict[int, int]:
        """The first record of the message a new monitor begins with, in every partition. Raises Unavailable."""
        return {partition: offset * STRIDE for partition, offset in self._source.starts().items()}

    def start_offset(self, partition: int) -> int:
        """The first record of the first message. Raises Unavailable."""
        return self._source.start_offset(partition) * STRIDE

    def pause(self) -> None:
        """Deliver nothing, but keep the partitions."""
        self._paused = True
        self._source.pause()

    def resume(self) -> None:
        """Deliver again what was sought."""
        self._paused = False
        self._source.resume()

    def lag(self) -> dict[int, int]:
        """Messages behind the end, and one more while records of the last one read wait."""
        waiting = {int(partition) for records in self._waiting for partition in records.partitions}
        return {partition: behind + (partition in waiting) for partition, behind in self._source.lag().items()}

    def acknowledge(self, positions: dict[int, int]) -> None:
        """Tell the source of messages how many of them are done with."""
        self._source.acknowledge({partition: offset // STRIDE for partition, offset in positions.items()})

    @property
    def finished(self) -> bool:
        """Whether nothing more will ever come."""
        return self._source.finished and not self._waiting

    def close(self) -> None:
        """Close the source of messages; what waits is read again by whoever comes next."""
        self._waiting.clear()
        self._source.close()


def _none(name: str) -> Messages:
    nothing: NDArray[np.int64] = np.zeros(0, np.int64)
    return Messages(name, nothing.astype(np.int32), nothing, nothing, [])


def _together(name: str, parts: list[Messages]) -> Messages:
    if not parts:
        return _none(name)
    if len(parts) == 1:
        return parts[0]
    return Messages(
        name,
        np.concatenate([part.partitions for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.timestamps_ms for part in parts]),
        [value for part in parts for value in part.values],
    )
