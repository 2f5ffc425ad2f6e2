"""The ports of the scoring loop: where messages come from, where outcomes go, which model serves."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.exceptions import Exceptions
from latentwatch.domain.model import ModelVersion
from latentwatch.domain.outcome import AuditEntry, Outcome, Receipt, StoredSnapshot
from latentwatch.domain.record import Decoded, RawMessage
from latentwatch.domain.schema import RecordSchema


@dataclass(frozen=True, slots=True)
class Messages:
    """N undecoded messages as columns, in the order they arrived; a partition's rows stand in offset order."""

    source: str
    partitions: NDArray[np.int32]
    """[N]"""
    offsets: NDArray[np.int64]
    """[N] rising within a partition, with gaps where the source has them."""
    timestamps_ms: NDArray[np.int64]
    """[N] the source's own time of each message, milliseconds since 1970 UTC."""
    values: list[bytes | None]
    """N payloads; None for a tombstone."""

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[RawMessage]:
        for row, value in enumerate(self.values):
            yield RawMessage(int(self.partitions[row]), int(self.offsets[row]), value, int(self.timestamps_ms[row]))

    def take(self, rows: NDArray[np.bool_]) -> "Messages":
        """The rows of a mask."""
        values = [value for value, kept in zip(self.values, rows.tolist(), strict=True) if kept]
        return Messages(self.source, self.partitions[rows], self.offsets[rows], self.timestamps_ms[rows], values)

    def followed_by(self, more: "Messages") -> "Messages":
        """These and then those of the same source."""
        return Messages(
            self.source,
            np.concatenate([self.partitions, more.partitions]),
            np.concatenate([self.offsets, more.offsets]),
            np.concatenate([self.timestamps_ms, more.timestamps_ms]),
            self.values + more.values,
        )

    def cut(self, start: int, stop: int) -> "Messages":
        """The rows of a span."""
        rows = slice(start, stop)
        return Messages(
            self.source, self.partitions[rows], self.offsets[rows], self.timestamps_ms[rows], self.values[rows]
        )


def messages_of(source: str, rows: Iterable[RawMessage]) -> Messages:
    """Columns from single messages."""
    listed = list(rows)
    return Messages(
        source=source,
        partitions=np.array([row.partition for row in listed], np.int32),
        offsets=np.array([row.offset for row in listed], np.int64),
        timestamps_ms=np.array([row.timestamp_ms for row in listed], np.int64),
        values=[row.value for row in listed],
    )


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets of a partition that the source no longer has: half-open; the partition is silent until it is sought."""

    partition: int
    start: int
    """Where reading was to go on."""
    end: int
    """The first offset that the source still has; less than `start` where the source was made anew."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a source's partitions, in this order: lost, gained, gaps."""

    lost: tuple[int, ...] = ()
    """Read by others from now on."""
    gained: tuple[int, ...] = ()
    """Silent until they are sought."""
    gaps: tuple[Gap, ...] = ()
    recreated: str | None = None
    """The id of another topic that has taken the name of the one that was opened: nothing more is delivered."""


class Source(Protocol):
    """A stream of partitions. Offsets travel inside values; the caller alone knows how far it has come.

    Used by one thread. `poll` must be called often, also while paused: it keeps the partitions.
    """

    name: str
    """The topic, or the file's name: part of every position. Whoever opened the source may give it a later name."""
    live: bool
    """Whether records arrive as they happen, so that a record far ahead of the clock is wrong."""

    @property
    def topic_id(self) -> str | None:
        """What the broker calls the topic, once open: another one of the same name has another id. None where unknown."""
        ...

    def open(self) -> None:
        """Connect. Raises Unavailable while the service or the topic is away, InvalidInput where waiting cannot help."""
        ...

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """At most `max_records` messages of the partitions that were sought; none after the timeout."""
        ...

    def changes(self) -> Changes:
        """What happened to the partitions since the last call; look after every poll."""
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Deliver a partition from this offset on. Raises KeyError where it is not assigned."""
        ...

    def hold(self, partition: int) -> None:
        """Stop delivering one partition until it is sought again."""
        ...

    def starts(self) -> dict[int, int]:
        """Where a monitor that has no position yet begins, in every partition, also in others'. Raises Unavailable."""
        ...

    def start_offset(self, partition: int) -> int:
        """The first offset there is: where a partition begins that was added later. Raises Unavailable."""
        ...

    def pause(self) -> None:
        """Deliver nothing, but keep the partitions."""
        ...

    def resume(self) -> None:
        """Deliver again what was sought."""
        ...

    def lag(self) -> dict[int, int]:
        """Records between each partition's next delivery and its end, where known. Does not wait."""
        ...

    def acknowledge(self, positions: dict[int, int]) -> None:
        """Tell the source's own tools how far the database is; best effort, nothing depends on it."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing more will ever come."""
        ...

    def close(self) -> None:
        """Leave. Safe to call twice; nothing is delivered afterwards."""
        ...


DecodeAs = Callable[[RecordSchema], "Decoder"]
"""Makes the decoder of a source's messages for the fields that a model reads. Raises InvalidInput where there is none."""


class Decoder(Protocol):
    """Turns messages into columns typed by a monitor's schema."""

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends either as a row of the batch, in order, or as a dead letter.

        Raises Unavailable where that needs a service which is away. No messages are always decoded, to an empty batch.
        """
        ...


class Store(Protocol):
    """The database, as the scorer sees it. Every method raises Unavailable while the database is away."""

    monitor: str
    """Whose results it keeps."""

    def positions(self, source: str) -> dict[int, int]:
        """Partition to the first offset not accounted for."""
        ...

    def begin(
        self, source: str, starts: Mapping[int, int], topic_id: str | None = None, note: AuditEntry | None = None
    ) -> dict[int, int]:
        """Begin all of a source's partitions, all or none: none where it has a position already; those in force.

        `note` is written where this call began them.
        """
        ...

    def claim(self, source: str, partition: int, offset: int, topic_id: str | None = None) -> int:
        """Begin a partition at `offset` unless it has a position already; the position in force."""
        ...

    def topics_of(self, source: str) -> dict[str, str | None]:
        """The stream of this name and those that continue it in a topic made anew: each with its topic's id."""
        ...

    def learn_topic(self, source: str, topic_id: str) -> None:
        """Note the topic of positions of which it is not known."""
        ...

    def commit(self, outcome: Outcome) -> Receipt:
        """Write an outcome whole or not at all. Raises PartitionLost where a position is not the move's start, or where
        another snapshot is stored than the one that is to be followed."""
        ...

    def snapshots(self, source: str, partitions: Sequence[int]) -> dict[int, StoredSnapshot]:
        """The latest snapshot of each partition that has one."""
        ...

    def chunks(self, source: str, snapshot: StoredSnapshot) -> AbstractContextManager[Iterator[bytes]]:
        """Its chunks in order, read one at a time. Raises Unavailable where another snapshot has taken its place."""
        ...


class Registry(Protocol):
    """Which model serves. Every method raises Unavailable while the database is away."""

    def exceptions(self, monitor: str) -> Exceptions:
        """What people say is normal, whichever version serves."""
        ...

    def champion(self, monitor: str) -> ModelVersion | None:
        """The version to serve; None before the first promotion."""
        ...

    def versions(self, monitor: str) -> list[ModelVersion]:
        """The monitor's versions, newest first."""
        ...

    def refuse(self, monitor: str, version: int, reason: str) -> ModelVersion | None:
        """Report that a version's bundle is damaged; the former champion serves again, and the last that serves stays.

        Returns the champion from now on.
        """
        ...
