"""History: the past records a model learns from.

Files, globs or a Kafka topic → one Batch in the order of time, typed by the monitor's schema.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.durations import format_duration
from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import (
    Batch,
    DeadLetter,
    UnreadValue,
    batch_from_columns,
    blank_missing,
    concatenate,
    whole,
)
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.domain.shape import FileEntity
from latentwatch.domain.times import NO_TIME, parse_times
from latentwatch.settings import Settings
from latentwatch.streams.alignment.alignment import alignment_of
from latentwatch.streams.decoding.cells import Spelling, number_in, spelling_of
from latentwatch.streams.decoding.columns import file_entity, words
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.decoding.unpacking import unpacker
from latentwatch.streams.kafka.access import KafkaAccess
from latentwatch.streams.sources.file_source import FileSource
from latentwatch.tables import TableFile, as_masked, find_files, open_table

_POLL_RECORDS = 50_000
MOST_UNREADABLE = 0.05
"""The share of a file's rows that may be left out because they cannot be read; of more, the monitor must be wrong."""

log = structlog.get_logger(__name__)


def gather_history(
    monitor: Monitor, settings: Settings, history: list[str] | None, clock: Clock | None = None
) -> Batch:
    """The records to learn from: the files given, else the monitor's own choice, else its source."""
    own = monitor.retrain.source or (monitor.source.file.path if monitor.source.file else None)
    files = history or ([own] if own else [])
    if files:
        # Files that somebody names are taken whole; the monitor's own source only as far back as it says.
        return read_history(monitor.record, files, None if history else monitor.retrain.history)
    return read_topic_history(
        monitor, settings.kafka_access(), settings.registry_access(), monitor.retrain.history, clock or SystemClock()
    )


def read_history(schema: RecordSchema, patterns: Sequence[str], last: timedelta | None = None) -> Batch:
    """Every record of the files, sorted by time; files without a time keep their order.

    With `entity: {file: true}`, and where the schema names an entity that a file does not have, the file is the entity and
    its name is the name; where the schema names none, everything is one entity, unless the files' times overlap: then each file is learned from on its own. Rows that cannot be read are left out and said so, as they are when scoring, unless they are more than 5 % of a file.
    `last` keeps only what lies within that span before the newest record. Row i of a file has offset i, and the file's
    place in the list is the partition. Raises InvalidHistory naming file, field and row.
    """
    files = find_files(patterns)
    unpack = unpacker(schema)
    parts = [_read_file(open_table(path, unpack, schema.encoding), schema, number) for number, path in enumerate(files)]
    if not any(len(part) for part in parts):
        raise InvalidHistory(f"{', '.join(files)}: there is no record in it; give normal records to learn from")
    parts = [part for part in parts if len(part)]
    if schema.entity is None and schema.time is not None and _overlap(parts):
        log.warning(
            "the files' times overlap: each is learned from on its own; if each is a machine, say 'entity: {file: true}' in"
            " the monitor's record, so that scoring tells them apart as well",
            files=len(parts),
        )
        parts = [_owned(part, file_entity(files[int(part.partitions[0])])) for part in parts]
    if schema.time is None:
        parts = _one_after_another(parts)
    whole = concatenate(parts)
    ordered = whole.take(np.argsort(whole.times, kind="stable"))
    if last is None or schema.time is None:
        return ordered
    start = int(ordered.times[-1]) - int(last.total_seconds() * 1_000_000)
    return ordered.take(ordered.times >= start)


def read_topic_history(
    monitor: Monitor, kafka: KafkaAccess, registry: RegistryAccess | None, last: timedelta, clock: Clock
) -> Batch:
    """Every record that arrived on the monitor's topic within the last stretch of time, sorted by its own time.

    Messages that cannot be read are left out, as they are when scoring. Raises InvalidHistory where there is no record,
    Unavailable while the broker or the schema registry is away.
    """
    from latentwatch.streams.kafka.topic_history import read_topic  # Kafka's client is not for histories that are files
    from latentwatch.streams.sources.opening import topic_decoder

    topic = monitor.source.kafka
    assert topic is not None  # the caller has looked
    decoder = topic_decoder(monitor, registry)
    batch, unreadable = read_topic(
        topic.topic,
        kafka,
        decoder,
        clock.now() - last,
        unpack=unpacker(monitor.record, topic.arrays),
        alignment=alignment_of(monitor.record, topic),
    )
    if unreadable:
        log.warning("messages of the history cannot be read and are left out", topic=topic.topic, messages=unreadable)
    if batch is None:
        raise InvalidHistory(
            f"topic {topic.topic!r}: no record arrived within the last {format_duration(last)}; "
            "give files with --history, or a longer retrain.history in the monitor"
        )
    return batch.take(np.argsort(batch.times, kind="stable"))


def _read_file(file: TableFile, schema: RecordSchema, number: int) -> Batch:
    if schema.is_shaped or schema.takes_apart or schema.long is not None or schema.encoding:
        if "://" in file.path:
            raise InvalidHistory(
                f"{file.path}: 'where', 'arrays', 'collector', 'unpack', 'long', 'encoding' and an entity of several fields are not read over a network yet;"
                " fetch the file first"
            )
        return _read_lines(file, schema, number)
    wanted = {feature.name: feature.path or feature.name for feature in schema.features}
    needed = [*wanted.values(), *filter(None, (schema.time,))]
    absent = [field for field in needed if file.raw(field) is None] if file.head is None else []
    if absent:
        raise InvalidHistory(
            f"{file.path}: lacks {', '.join(repr(field) for field in absent)}; "
            f"it has {', '.join(file.columns)}. Correct the monitor's features or the file"
        )
    if file.is_text:
        return _read_lines(file, schema, number)
    entity = file.text(schema.entity_fields[0]) if schema.entity_fields else None
    expressions = [part for feature in schema.features for part in _expressions(file, schema, feature)]
    extras = [text for text in (_time_expression(file, schema.time) if schema.time else None, entity) if text]
    found = iter(file.select([*expressions, *extras]))
    faults: list[_Fault] = []
    columns = {
        feature.name: _column(
            feature, spelling_of(schema, feature.name, file.decimal_commas), next(found), next(found), faults
        )
        for feature in schema.features
    }
    times = _times(schema, next(found), faults) if schema.time else None
    count = len(columns[schema.features[0].name])
    batch = batch_from_columns(
        schema,
        columns,
        times=times,
        entities=_entities(schema.entity_fields[0], next(found), faults)
        if entity
        else np.full(count, file_entity(file.path) if schema.entity else "", object),
        source=Path(file.path).name,
        partition=number,
    )
    blank_missing(schema, batch.numbers, batch.categories, batch.texts)
    wrong = np.any([fault.rows for fault in faults], axis=0) if faults else np.zeros(count, bool)
    if not wrong.any():
        return batch
    _leave_out(file, int(wrong.sum()), count, _first(file, faults))
    return batch.take(~wrong)


def _read_lines(file: TableFile, schema: RecordSchema, number: int) -> Batch:
    """A local file as scoring reads it, so that it cannot mean anything else."""
    has_entity = all(file.text(field) is not None for field in schema.entity_fields)
    expected = schema if has_entity else schema.model_copy(update={"entity": FileEntity(file=True)})
    source = FileSource(file.path, file.format, record=schema)
    parts, refused = [], list[DeadLetter | UnreadValue]()
    try:
        source.open()
        decoder = source.decoder(expected)
        source.seek(0, 0)
        while not source.finished:
            decoded = decode_sound(decoder, source.poll(_POLL_RECORDS, 1.0))
            parts.append(decoded.batch if schema.long else whole(decoded)[0])
            refused += sorted((*decoded.dead_letters, *_one_each(decoded.unread)), key=lambda each: each.position)
    except InvalidInput as error:
        raise InvalidHistory(str(error)) from None
    finally:
        source.close()
    read = concatenate(parts)
    if refused:
        first = f"row {refused[0].position.offset + 1}: {refused[0].reason}"
        _leave_out(file, len(refused), len(refused) + len(read), first)
    return Batch(
        **{
            **_fields(read),
            "schema": schema,
            "times": read.times if schema.time else np.arange(len(read), dtype=np.int64) * 1_000_000,
            "source": Path(file.path).name,
            "partitions": np.full(len(read), number, np.int32),
        }
    )


def _one_each(unread: tuple[UnreadValue, ...]) -> list[UnreadValue]:
    """The first value of each record."""
    return list({value.position: value for value in reversed(unread)}.values())


def _leave_out(file: TableFile, unreadable: int, rows: int, first: str) -> None:
    """Say which rows are left out, or raise InvalidHistory where they are too many to be accidents."""
    if unreadable > MOST_UNREADABLE * rows:
        more = f" (and {unreadable - 1} more rows)" if unreadable > 1 else ""
        raise InvalidHistory(f"{file.path}: {first}{more}; correct the file, or the features in the monitor")
    log.warning("rows that cannot be read are left out", file=file.path, left_out=unreadable, of=rows, first=first)


def _expressions(file: TableFile, schema: RecordSchema, feature: Feature) -> tuple[str, str]:
    """What to select for a feature: its value, and whether the file has one there."""
    field = feature.path or feature.name
    if not feature.is_number:
        return str(file.word(field)), "true"
    return file.number(field, feature.type is FeatureType.BOOLEAN)


def _column(
    feature: Feature, spelling: Spelling, found: NDArray[Any], given: NDArray[Any], faults: "list[_Fault]"
) -> NDArray[Any]:
    if not feature.is_number:
        return _words(found)
    field = feature.path or feature.name
    numbers, absent = as_masked(found)
    if numbers.dtype.kind not in "fiu":
        numbers, absent = _numbers_in(numbers, absent, spelling)
    what = "is neither true nor false" if feature.type is FeatureType.BOOLEAN else "is not a number"
    faults.append(_Fault(field, as_masked(given)[0].astype(bool) & absent, what))
    values = np.where(absent, np.nan, numbers.astype(np.float64))
    with np.errstate(over="ignore"):
        faults.append(_Fault(field, np.isinf(values.astype(np.float32)), "is not finite in 32 bits"))
    return values


def _numbers_in(
    texts: NDArray[Any], absent: NDArray[np.bool_], spelling: Spelling
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The numbers that text writes, as lines are read, and where there is none."""
    read = cache(lambda text: number_in(text, spelling))
    found = [None if gone else read(str(text)) for text, gone in zip(texts.tolist(), absent.tolist(), strict=True)]
    none = np.array([number is None for number in found], bool)
    return np.array([np.nan if number is None else number for number in found]), none


def _words(found: NDArray[Any]) -> NDArray[np.object_]:
    values, missing = as_masked(found)
    out = np.empty(len(values), object)
    out[:] = words([None if gone else value for value, gone in zip(values.tolist(), missing.tolist(), strict=True)])
    return out


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with a field, and [N] in which rows."""

    field: str
    rows: NDArray[np.bool_]
    what: str


def _first(file: TableFile, faults: "Sequence[_Fault]") -> str:
    """The first row that has a fault, its field and value, and what is wrong with it."""
    fault = min((fault for fault in faults if fault.rows.any()), key=lambda fault: int(np.argmax(fault.rows)))
    row = int(np.argmax(fault.rows))
    value = file.select([str(file.text(fault.field))], limit=row + 1)[0][row]
    value = None if value is np.ma.masked else value
    return f"row {row + 1}, field {fault.field!r}: {value!r} {fault.what}"


def _time_expression(file: TableFile, field: str) -> str:
    type_ = file.types.get(field, "")
    if type_ == "TIMESTAMPTZ_NS":  # DuckDB has no epoch_us for what pandas writes
        return f"epoch_us(CAST({file.raw(field)} AS TIMESTAMPTZ))"
    return f"epoch_us({file.raw(field)})" if type_.startswith(("TIMESTAMP", "DATE")) else str(file.text(field))


def _times(schema: RecordSchema, found: NDArray[Any], faults: "list[_Fault]") -> NDArray[np.int64]:
    assert schema.time is not None  # the caller has looked
    values, missing = as_masked(found)
    if values.dtype.kind == "i":
        times = np.where(missing, NO_TIME, values.astype(np.int64))
    else:
        times = parse_times(
            [None if gone else value for value, gone in zip(values.tolist(), missing.tolist(), strict=True)],
            schema.day_first,
        )
    faults.append(_Fault(schema.time, times == NO_TIME, "is not a time"))
    return times


def _entities(field: str, found: NDArray[Any], faults: "list[_Fault]") -> NDArray[np.object_]:
    values, missing = as_masked(found)
    names = np.where(missing, "", values.astype(object))
    faults.append(_Fault(field, np.array([not name or "\0" in name for name in names], bool), "names no entity"))
    return names


def _overlap(parts: Sequence[Batch]) -> bool:
    spans = sorted((int(part.times.min()), int(part.times.max())) for part in parts)
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def _owned(part: Batch, entity: str) -> Batch:
    return Batch(**{**_fields(part), "entities": np.full(len(part), entity, object)})


def _one_after_another(parts: Sequence[Batch]) -> list[Batch]:
    """Rows without a time, one second apart, each file after the one before it."""
    out, start = [], 0
    for part in parts:
        out.append(Batch(**{**_fields(part), "times": part.times + start}))
        start = int(out[-1].times[-1]) + 1_000_000
    return out


def _fields(part: Batch) -> dict[str, Any]:
    return {name: getattr(part, name) for name in Batch.__dataclass_fields__}
