"""From columns of raw values to a batch: the checks that all formats share. Columns in -> Decoded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import Clock, from_microseconds, to_microseconds
from latentwatch.domain.record import (
    Batch,
    DeadLetter,
    Decoded,
    Numbers,
    Position,
    UnreadValue,
    blank_missing,
    round_measurements,
)
from latentwatch.domain.schema import FeatureType, RecordSchema
from latentwatch.domain.times import NO_TIME, are_strokes, bounded, parse_times
from latentwatch.streams.ports import Messages

OWN = "@"
"""Begins the names of fields that a shape reads besides the monitor's features: without one nobody knows what a message is."""
_NUL = "\0"
_WORDS = {str, type(None)}
MAX_AHEAD = timedelta(days=1)
"""How far a live record's time may lie ahead of the clock: time zones and skewed clocks fit in, wrong units do not."""
_UNSET = to_microseconds(datetime(1970, 1, 2))
"""A live record within a day of 1970, in whatever time zone, has its time from a clock that was never set."""


@dataclass(frozen=True, slots=True)
class TimeBound:
    """Refuses records of a live stream whose clock is wrong: far ahead of ours, or never set."""

    clock: Clock
    max_ahead: timedelta = MAX_AHEAD

    def latest(self) -> int:
        """The latest acceptable time, in microseconds since 1970 UTC."""
        return to_microseconds(self.clock.now() + self.max_ahead)


@dataclass(slots=True)
class Faults:
    """What could not be read, by the rows of messages."""

    refused: dict[int, str] = field(default_factory=dict)
    """Row to reason, for rows that could not be read at all."""
    unread: dict[int, dict[str, str]] = field(default_factory=dict)
    """Row to features that cannot have their value, and why; it is missing in the columns."""

    def refuse(self, row: int, reason: str) -> None:
        """Note that a row cannot be read; its first reason counts."""
        self.refused.setdefault(row, reason)

    def leave_out(self, row: int, feature: str, reason: str) -> None:
        """Note a value that its feature cannot have."""
        self.unread.setdefault(row, {}).setdefault(feature, reason)


@dataclass(slots=True)
class Columns:
    """N messages whose fields have been read, not yet checked."""

    numbers: Numbers
    """[N, len(schema.numbers)]; infinite where the value was, or does not fit."""
    categories: NDArray[np.object_]
    texts: NDArray[np.object_]
    times: Sequence[str | int | float | None] | NDArray[np.int64] | None
    """None where the schema has no time; an array where they are known to be microseconds since 1970 UTC."""
    entities: Sequence[str | int | None] | None
    """None where the schema has no entity."""
    faults: Faults = field(default_factory=Faults)


def joined(parts: Sequence[Columns]) -> Columns:
    """The columns of messages that were read in parts, whose times and entities are lists or None in all of them."""
    if len(parts) == 1:
        return parts[0]
    faults = Faults()
    for start, part in zip(accumulate((len(part.numbers) for part in parts), initial=0), parts, strict=False):
        faults.refused |= {start + row: why for row, why in part.faults.refused.items()}
        faults.unread |= {start + row: why for row, why in part.faults.unread.items()}
    return Columns(
        numbers=np.concatenate([part.numbers for part in parts]),
        categories=np.concatenate([part.categories for part in parts]),
        texts=np.concatenate([part.texts for part in parts]),
        times=None if parts[0].times is None else list(chain.from_iterable(part.times or () for part in parts)),
        entities=None
        if parts[0].entities is None
        else list(chain.from_iterable(part.entities or () for part in parts)),
        faults=faults,
    )


def assemble(schema: RecordSchema, messages: Messages, columns: Columns, bound: TimeBound | None) -> Decoded:
    """Check what was read, and part the batch from the dead letters.

    A value that its feature cannot have is missing from its record; where none of a record's values can be read, or one by which
    its shape is known, it is a dead letter.
    """
    faults, refused = columns.faults, columns.faults.refused
    round_measurements(schema, columns.numbers)
    blank_missing(schema, columns.numbers, columns.categories, columns.texts)
    _check_finite(schema, columns.numbers, faults)
    _check_truth(schema, columns.numbers, faults)
    times = _times(schema, messages, columns, bound)
    entities = _entities(schema, columns, messages.source)
    batch = Batch(
        schema=schema,
        numbers=columns.numbers,
        categories=columns.categories,
        texts=columns.texts,
        entities=entities,
        times=times,
        source=messages.source,
        partitions=messages.partitions,
        offsets=messages.offsets,
    )
    if faults.unread:
        _refuse_hollow(batch, faults)
    if not refused:
        return Decoded(batch, unread=_unread(messages, faults))
    sound = np.ones(len(messages), bool)
    sound[list(refused)] = False
    letters = tuple(_dead_letter(messages, row, refused[row]) for row in sorted(refused))
    return Decoded(batch.take(sound), letters, unread=_unread(messages, faults))


def _refuse_hollow(batch: Batch, faults: Faults) -> None:
    """Refuse rows of which no value could be read, or not one that says what they are."""
    rows, schema = list(faults.unread), batch.schema
    says = np.asarray((~np.isnan(batch.numbers[rows])).any(axis=1), bool)
    for names, columns in ((schema.categories, batch.categories), (schema.texts, batch.texts)):
        for column, name in enumerate(names):
            if not name.startswith(OWN):
                says |= np.array([value is not None for value in columns[rows, column].tolist()], bool)
    for row, something in zip(rows, says.tolist(), strict=True):
        found = faults.unread[row]
        owns = [why for name, why in found.items() if name.startswith(OWN)]
        if owns or not something:
            faults.refuse(row, next(iter(owns or found.values())))


def _unread(messages: Messages, faults: Faults) -> tuple[UnreadValue, ...]:
    return tuple(
        UnreadValue(_position(messages, row), name, reason, messages.values[row] or b"")
        for row, found in sorted(faults.unread.items())
        if row not in faults.refused
        for name, reason in found.items()
    )


def _position(messages: Messages, row: int) -> Position:
    return Position(messages.source, int(messages.partitions[row]), int(messages.offsets[row]))


def _dead_letter(messages: Messages, row: int, reason: str) -> DeadLetter:
    return DeadLetter(_position(messages, row), reason, messages.values[row] or b"")


def _check_finite(schema: RecordSchema, numbers: Numbers, faults: Faults) -> None:
    # A finite sum is the cheap proof that nothing is infinite; missing values (NaN) need the second look.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(numbers.sum(dtype=np.float64)):
            return
        infinite = np.isinf(numbers.astype(np.float32))
    for row, column in np.argwhere(infinite).tolist():
        name = schema.numbers[column]
        faults.leave_out(
            row, name, f"field {name!r} is infinite, or too large for a 32-bit number; send null if missing"
        )
    numbers[infinite] = np.nan


def _check_truth(schema: RecordSchema, numbers: Numbers, faults: Faults) -> None:
    for column, name in enumerate(schema.numbers):
        if schema.feature(name).type is not FeatureType.BOOLEAN:
            continue
        values = numbers[:, column]
        for row in np.flatnonzero(~((values == 0) | (values == 1) | np.isnan(values))).tolist():
            faults.leave_out(row, name, f"field {name!r} is {values[row]:g}, true or false belongs there")
            values[row] = np.nan


def _times(schema: RecordSchema, messages: Messages, columns: Columns, bound: TimeBound | None) -> NDArray[np.int64]:
    if columns.times is None:
        return messages.timestamps_ms * 1_000
    if not len(columns.times):
        return np.zeros(0, np.int64)
    times = (
        bounded(columns.times)
        if isinstance(columns.times, np.ndarray)
        else parse_times(columns.times, schema.day_first)
    )
    if times.min() == NO_TIME:
        for row in np.flatnonzero(times == NO_TIME).tolist():
            columns.faults.refuse(row, _time_reason(schema, columns.times[row]))
    if bound is not None:
        latest = bound.latest()
        if times.max() > latest:
            for row in np.flatnonzero(times > latest).tolist():
                ahead = from_microseconds(int(times[row])).isoformat()
                columns.faults.refuse(
                    row, f"time field {schema.time!r} lies in the future: {ahead}; check the sender's clock and unit"
                )
        unset = (times > -_UNSET) & (times < _UNSET)
        if unset.any():
            for row in np.flatnonzero(unset).tolist():
                columns.faults.refuse(
                    row,
                    f"time field {schema.time!r} is {from_microseconds(int(times[row])).isoformat()}, as of a clock that"
                    " was never set; check the sender's clock and unit",
                )
    return times


def _time_reason(schema: RecordSchema, value: object) -> str:
    if value is None:
        return f"time field {schema.time!r} is missing"
    if isinstance(value, str) and schema.day_first is None and are_strokes(value):
        return (
            f"time field {schema.time!r} is {shorten(value)}, and which of its numbers is the day nobody can know; say"
            " 'day_first: true' or 'false' in the monitor's record, or send ISO 8601 such as 2026-01-31T12:00:00Z"
        )
    return (
        f"time field {schema.time!r} is not a time: {shorten(value)}; send ISO 8601 such as 2026-01-31T12:00:00Z,"
        " or seconds, milliseconds or microseconds since 1970"
    )


def file_entity(path: str) -> str:
    """The name of the entity that a file is."""
    return Path(path).stem


def _entities(schema: RecordSchema, columns: Columns, source: str) -> NDArray[np.object_]:
    if columns.entities is None:
        return np.full(len(columns.numbers), file_entity(source) if schema.entity_is_file else "", object)
    names = np.empty(len(columns.entities), object)
    names[:] = columns.entities
    distinct = set(columns.entities)
    if set(map(type, distinct)) - {str} or "" in distinct or _NUL in "".join(map(str, distinct)):
        for row, name in enumerate(columns.entities):
            if name is None or name == "":
                columns.faults.refuse(row, f"entity field {schema.entity!r} is missing")
                names[row] = ""
            elif _NUL in str(name):
                columns.faults.refuse(row, f"entity field {schema.entity!r} holds a NUL character: {shorten(name)}")
                names[row] = ""
            else:
                names[row] = str(name)
    return names


def words(column: Sequence[object]) -> list[str | None]:
    """Values of a category or text column as text; numbers keep their own spelling, NUL characters (which databases
    cannot hold) become the replacement character.
    """
    plain: list[str | None]
    if set(map(type, column)) <= _WORDS:
        plain = list(column)  # type: ignore[arg-type]  # as the line above has found
    else:
        plain = [value if value is None or isinstance(value, str) else str(value) for value in column]
    return (
        [value and value.replace(_NUL, "\ufffd") for value in plain] if _NUL in "".join(filter(None, plain)) else plain
    )


def shorten(value: object, limit: int = 60) -> str:
    """A value as a reason may quote it."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
