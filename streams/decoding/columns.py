"""From columns of raw values to a batch: the checks that all formats share. Columns in -> Decoded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import Clock, from_microseconds, to_microseconds
from latentwatch.domain.record import Batch, DeadLetter, Decoded, Numbers, Position, blank_missing, round_measurements
from latentwatch.domain.schema import FeatureType, RecordSchema
from latentwatch.domain.times import NO_TIME, are_strokes, bounded, parse_times
from latentwatch.streams.ports import Messages

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
    refused: dict[int, str] = field(default_factory=dict)
    """Row to reason, for rows that could not be read at all."""


def joined(parts: Sequence[Columns]) -> Columns:
    """The columns of messages that were read in parts, whose times and entities are lists or None in all of them."""
    if len(parts) == 1:
        return parts[0]
    starts = accumulate((len(part.numbers) for part in parts), initial=0)
    return Columns(
        numbers=np.concatenate([part.numbers for part in parts]),
        categories=np.concatenate([part.categories for part in parts]),
        texts=np.concatenate([part.texts for part in parts]),
        times=None if parts[0].times is None else list(chain.from_iterable(part.times or () for part in parts)),
        entities=None
        if parts[0].entities is None
        else list(chain.from_iterable(part.entities or () for part in parts)),
        refused={
            start + row: why for start, part in zip(starts, parts, strict=False) for row, why in part.refused.items()
        },
    )


def assemble(schema: RecordSchema, messages: Messages, columns: Columns, bound: TimeBound | None) -> Decoded:
    """Check what was read, and part the batch from the dead letters."""
    refused = columns.refused
    round_measurements(schema, columns.numbers)
    blank_missing(schema, columns.numbers, columns.categories, columns.texts)
    _check_finite(schema, columns.numbers, refused)
    _check_truth(schema, columns.numbers, refused)
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
    if not refused:
        return Decoded(batch)
    sound = np.ones(len(messages), bool)
    sound[list(refused)] = False
    return Decoded(batch.take(sound), tuple(_dead_letter(messages, row, refused[row]) for row in sorted(refused)))


def _dead_letter(messages: Messages, row: int, reason: str) -> DeadLetter:
    position = Position(messages.source, int(messages.partitions[row]), int(messages.offsets[row]))
    return DeadLetter(position, reason, messages.values[row] or b"")


def _check_finite(schema: RecordSchema, numbers: Numbers, refused: dict[int, str]) -> None:
    # A finite sum is the cheap proof that nothing is infinite; missing values (NaN) need the second look.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(numbers.sum(dtype=np.float64)):
            return
        infinite = np.isinf(numbers.astype(np.float32))
    for row, column in np.argwhere(infinite).tolist():
        refused.setdefault(
            row, f"field {schema.numbers[column]!r} is infinite, or too large for a 32-bit number; send null if missing"
        )


def _check_truth(schema: RecordSchema, numbers: Numbers, refused: dict[int, str]) -> None:
    for column, name in enumerate(schema.numbers):
        if schema.feature(name).type is not FeatureType.BOOLEAN:
            continue
        values = numbers[:, column]
        for row in np.flatnonzero(~((values == 0) | (values == 1) | np.isnan(values))).tolist():
            refused.setdefault(row, f"field {name!r} is {values[row]:g}, true or false belongs there")


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
            columns.refused.setdefault(row, _time_reason(schema, columns.times[row]))
    if bound is not None:
        latest = bound.latest()
        if times.max() > latest:
            for row in np.flatnonzero(times > latest).tolist():
                ahead = from_microseconds(int(times[row])).isoformat()
                columns.refused.setdefault(
                    row, f"time field {schema.time!r} lies in the future: {ahead}; check the sender's clock and unit"
                )
        unset = (times > -_UNSET) & (times < _UNSET)
        if unset.any():
            for row in np.flatnonzero(unset).tolist():
                columns.refused.setdefault(
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
                columns.refused.setdefault(row, f"entity field {schema.entity!r} is missing")
                names[row] = ""
            elif _NUL in str(name):
                columns.refused.setdefault(
                    row, f"entity field {schema.entity!r} holds a NUL character: {shorten(name)}"
                )
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
