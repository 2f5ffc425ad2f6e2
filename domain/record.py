"""Records in columns, and where they came from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.schema import FeatureType, RecordSchema

Value: TypeAlias = float | bool | str | None
"""One feature's value as people and JSON see it."""
Numbers: TypeAlias = NDArray[Any]
"""[N, numbers] of `number_type`."""


_LONGEST_REASON = 1_000


class Position(NamedTuple):
    """Where one record stands: the key of its outcome, for ever."""

    source: str
    """The Kafka topic, or the file's name; of a topic that was made anew see `later_name`."""
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.source}[{self.partition}]@{self.offset}"


_ANEW = "#"
"""No topic's name can hold it."""


def later_name(source: str, topic_id: str) -> str:
    """What the stream of a topic is called that was made anew under the name of an earlier one.

    The offsets of both begin at 0, so that under one name two records would have one position.

    >>> later_name("plant.pump", "dl8JbAT6Q8SyY1hT0qVZXg")
    'plant.pump#dl8JbAT6'
    """
    return f"{source}{_ANEW}{topic_id[:8]}"


def first_name(source: str) -> str:
    """The inverse: what the first stream of the name is called. A file's name may hold the sign, and no topic's id."""
    first, sign, topic_id = source.rpartition(_ANEW)
    return first if sign and len(topic_id) == 8 else source


class RawMessage(NamedTuple):
    """One undecoded message of a source. `value` is None for a tombstone."""

    partition: int
    offset: int
    value: bytes | None
    timestamp_ms: int
    """The source's own time of the message, milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not become a record: kept whole, with its reason, and counted as accounted for."""

    position: Position
    reason: str
    """A sentence for people: what was wrong and where."""
    payload: bytes

    def __post_init__(self) -> None:
        """Reasons quote senders and other people's code: keep them short, and what every database and page can show."""
        object.__setattr__(self, "reason", _presentable(self.reason))


@dataclass(frozen=True, slots=True)
class UnreadValue:
    """A value that its feature cannot have, in a message whose other values were read: missing there, and counted."""

    position: Position
    feature: str
    reason: str
    """A sentence for people, as a dead letter's."""
    payload: bytes
    """The message."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", _presentable(self.reason))


def _presentable(reason: str) -> str:
    """What every database and page can show."""
    if len(reason) <= _LONGEST_REASON and reason.isprintable():
        return reason
    short = reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in short)


def number_type(schema: RecordSchema) -> type[np.float32] | type[np.float64]:
    """What a batch holds numbers in: 32 bits; 64 where there are counters, of which small differences of large values count."""
    return np.float64 if schema.counters else np.float32


@dataclass(frozen=True, slots=True)
class Batch:
    """N records as columns, in arrival order. Never changed after it is made."""

    schema: RecordSchema
    numbers: Numbers
    """[N, len(schema.numbers)] of `number_type(schema)`; NaN where the value is missing. Booleans are 0 and 1."""
    categories: NDArray[np.object_]
    """[N, len(schema.categories)] of str, or None where missing."""
    texts: NDArray[np.object_]
    """[N, len(schema.texts)] of str, or None where missing."""
    entities: NDArray[np.object_]
    """[N] of str; empty names where the schema has no entity."""
    times: NDArray[np.int64]
    """[N] event times, microseconds since 1970 UTC."""
    source: str
    partitions: NDArray[np.int32]
    """[N]"""
    offsets: NDArray[np.int64]
    """[N]"""

    def __len__(self) -> int:
        return len(self.times)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Batch":
        """The chosen rows, in the order given."""
        return Batch(
            schema=self.schema,
            numbers=self.numbers[rows],
            categories=self.categories[rows],
            texts=self.texts[rows],
            entities=self.entities[rows],
            times=self.times[rows],
            source=self.source,
            partitions=self.partitions[rows],
            offsets=self.offsets[rows],
        )

    def with_numbers(self, numbers: Numbers) -> "Batch":
        """The same records with other numbers, of the same shape."""
        return replace(self, numbers=numbers)

    def narrowed(self, schema: RecordSchema) -> "Batch":
        """The same records with the features of another schema, in its order. Raises KeyError for one that is not here."""
        if schema == self.schema:
            return self
        parts: dict[str, Any] = {}
        for part in ("numbers", "categories", "texts"):
            places = {name: place for place, name in enumerate(getattr(self.schema, part))}
            chosen = [places[name] for name in getattr(schema, part)]
            parts[part] = np.ascontiguousarray(getattr(self, part)[:, chosen])
        return replace(self, schema=schema, **parts)

    def position(self, row: int) -> Position:
        """Where one row stands in its source."""
        return Position(self.source, int(self.partitions[row]), int(self.offsets[row]))

    def time(self, row: int) -> datetime:
        """One row's event time."""
        return from_microseconds(int(self.times[row]))

    def values(self, row: int) -> dict[str, Value]:
        """One row as people see it: feature name to value, None where missing, in the schema's order."""
        return self.take(slice(row, row + 1)).all_values()[0]

    def all_values(self) -> list[dict[str, Value]]:
        """`values` of every row."""
        words = dict(zip(self.schema.categories, self.categories.T.tolist(), strict=True))
        words.update(zip(self.schema.texts, self.texts.T.tolist(), strict=True))
        return values_of(self.schema, self.numbers, words)


def values_of(
    schema: RecordSchema, numbers: Numbers, words: Mapping[str, Sequence[str | None]]
) -> list[dict[str, Value]]:
    """Rows as people see them, from [N, len(schema.numbers)] numbers and a column of words for each other feature."""
    columns: dict[str, Sequence[Value]] = {**words}
    for name, column in zip(schema.numbers, numbers.T, strict=True):
        columns[name] = column.tolist()
        missing = np.isnan(column)
        if schema.feature(name).type is FeatureType.BOOLEAN:
            columns[name] = (column >= 0.5).tolist()
        if missing.any():
            columns[name] = [None if gone else value for value, gone in zip(columns[name], missing, strict=True)]
    names = schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)]


def batch_from_columns(
    schema: RecordSchema,
    columns: Mapping[str, Sequence[Any] | NDArray[Any]],
    *,
    entities: Sequence[str] | NDArray[Any] | None = None,
    times: NDArray[np.int64] | None = None,
    source: str = "memory",
    partition: int = 0,
    first_offset: int = 0,
) -> Batch:
    """A batch from one sequence per feature; rows keep their order and get consecutive offsets.

    Raises KeyError when a feature's column is absent. Without `times` the rows are one second apart from 1970.
    """
    count = len(columns[schema.features[0].name])
    numbers = np.empty((count, len(schema.numbers)), number_type(schema))
    for column, name in enumerate(schema.numbers):
        numbers[:, column] = np.asarray(columns[name], np.float64)
    round_measurements(schema, numbers)
    return Batch(
        schema=schema,
        numbers=numbers,
        categories=_objects(columns, schema.categories, count),
        texts=_objects(columns, schema.texts, count),
        entities=np.full(count, "", object) if entities is None else np.asarray(entities, object),
        times=np.arange(count, dtype=np.int64) * 1_000_000 if times is None else times,
        source=source,
        partitions=np.full(count, partition, np.int32),
        offsets=np.arange(first_offset, first_offset + count, dtype=np.int64),
    )


def batch_of_numbers(schema: RecordSchema, numbers: NDArray[np.float32]) -> Batch:
    """A batch of `schema.numbers` [N, F] in that order, where a schema has no other features; one second apart from 1970."""
    count = len(numbers)
    nothing = np.empty((count, 0), object)
    return Batch(
        schema=schema,
        numbers=numbers,
        categories=nothing,
        texts=nothing,
        entities=np.full(count, "", object),
        times=np.arange(count, dtype=np.int64) * 1_000_000,
        source="memory",
        partitions=np.zeros(count, np.int32),
        offsets=np.arange(count, dtype=np.int64),
    )


def _objects(columns: Mapping[str, Any], names: tuple[str, ...], count: int) -> NDArray[np.object_]:
    out = np.empty((count, len(names)), object)
    for column, name in enumerate(names):
        out[:, column] = [
            None if value is None or (isinstance(value, float) and value != value) else str(value)
            for value in columns[name]
        ]
    return out


def round_measurements(schema: RecordSchema, numbers: Numbers) -> None:
    """Round to 32 bits, in place, what is no counter: it is the same number beside a counter and without one."""
    if schema.counters:
        rounded = [place for place, name in enumerate(schema.numbers) if name not in schema.counters]
        with np.errstate(over="ignore"):
            numbers[:, rounded] = numbers[:, rounded].astype(np.float32)


def blank_missing(
    schema: RecordSchema,
    numbers: Numbers,
    categories: NDArray[np.object_],
    texts: NDArray[np.object_],
) -> None:
    """Take out, in place, what the monitor says means "no value"; a batch's columns in the schema's order."""
    for column, name in enumerate(schema.numbers):
        for value in schema.missing_numbers(name):
            numbers[numbers[:, column].astype(np.float32) == np.float32(value), column] = np.nan
    for names, columns in ((schema.categories, categories), (schema.texts, texts)):
        for column, name in enumerate(names):
            if missing := schema.missing_words(name):
                columns[:, column] = [
                    None if value is None or value.strip() in missing else value for value in columns[:, column]
                ]


def concatenate(batches: Iterable[Batch]) -> Batch:
    """One batch of all rows, in order. Raises ValueError when there is none or the schemas differ."""
    parts = list(batches)
    if not parts:
        raise ValueError("no batch to concatenate")
    if any(not _same_columns(part.schema, parts[0].schema) for part in parts):
        raise ValueError("batches of different schemas cannot be joined")
    return Batch(
        schema=parts[0].schema,
        numbers=np.concatenate([part.numbers for part in parts]),
        categories=np.concatenate([part.categories for part in parts]),
        texts=np.concatenate([part.texts for part in parts]),
        entities=np.concatenate([part.entities for part in parts]),
        times=np.concatenate([part.times for part in parts]),
        source=parts[0].source,
        partitions=np.concatenate([part.partitions for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts]),
    )


def _same_columns(one: RecordSchema, other: RecordSchema) -> bool:
    """Whether both mean the same by a batch's columns; a unit that was written later changes nothing of that."""
    return one == other or one.fingerprint() == other.fingerprint()


@dataclass(frozen=True, slots=True)
class Passed:
    """Messages that are neither scored nor dead, and accounted for: passed over, as `where` says, or part of a row."""

    partitions: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """[N]"""
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """[N]"""

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding a poll gave: a batch, the messages that could not enter it, and those that were not to."""

    batch: Batch
    dead_letters: tuple[DeadLetter, ...] = field(default=())
    passed: Passed = field(default_factory=Passed)
    aligned: Passed = field(default_factory=Passed)
    """Messages in long form that only filled a row, or nothing: those that released one are its row of the batch."""
    unread: tuple[UnreadValue, ...] = field(default=())
    """Values that are missing in what was read because their features cannot have them."""

    def __len__(self) -> int:
        """How many messages are accounted for."""
        return len(self.batch) + len(self.dead_letters) + len(self.passed) + len(self.aligned)

    def followed_by(self, more: "Decoded") -> "Decoded":
        """This poll and then that one."""
        return decoded_together([self, more])


def decoded_together(parts: Sequence[Decoded]) -> Decoded:
    """Pieces of a poll, in order. Raises ValueError when there is none."""
    return Decoded(
        concatenate([part.batch for part in parts]),
        tuple(letter for part in parts for letter in part.dead_letters),
        _passed_together([part.passed for part in parts]),
        _passed_together([part.aligned for part in parts]),
        tuple(value for part in parts for value in part.unread),
    )


def whole(decoded: Decoded) -> tuple[Batch, int]:
    """The records of which every value was read, to learn from, and how many others there are."""
    if not decoded.unread:
        return decoded.batch, 0
    partly = {(value.position.partition, value.position.offset) for value in decoded.unread}
    places = zip(decoded.batch.partitions.tolist(), decoded.batch.offsets.tolist(), strict=True)
    kept = np.fromiter((place not in partly for place in places), bool, count=len(decoded.batch))
    return decoded.batch.take(kept), int((~kept).sum())


def _passed_together(parts: Sequence[Passed]) -> Passed:
    return Passed(np.concatenate([part.partitions for part in parts]), np.concatenate([part.offsets for part in parts]))
