"""A first monitor from a sample of data: what is the time, what the entity, what the features, and why.

Sample file → Guess(monitor, notes). A guess is written down with its reason, so that a person can correct it in the
file; it is never made again behind their back.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from latentwatch.collectors import known_shape
from latentwatch.console import counted
from latentwatch.detector.cadence import cadence_of
from latentwatch.detector.sampled_columns import (
    MOSTLY_TIMES,
    TIME_NAMES,
    Column,
    is_code,
    is_epoch,
    is_identifier,
    is_like_times,
)
from latentwatch.documents import refuse_packed
from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.domain.monitor import Monitor, dump_monitor
from latentwatch.domain.times import NO_TIME, are_strokes, day_comes_first, parse_times
from latentwatch.encoding_guess import guess_encoding
from latentwatch.first_alert import first_alert, first_history
from latentwatch.first_entity import guess_entity
from latentwatch.first_features import first_features
from latentwatch.local_clock import doubled_hour_note
from latentwatch.long_form import Alignable, alignable, find_long_form, key_note, long_form
from latentwatch.number_spellings import common_form
from latentwatch.packed_records import packing
from latentwatch.sample import read_sample, resampled
from latentwatch.stray_rows import uneven_rows, without_units
from latentwatch.streams.decoding.unpacking import unpacker_of
from latentwatch.tables import as_masked, find_files, open_table
from latentwatch.unsuitable_tables import refuse_dates, refuse_empty, refuse_one_record, refuse_unsuitable_tables

_ZONED = re.compile(r"(Z|[+-]\d{2}:?\d{2})\s*$")
_FEW = 200
_DAY = 86_400.0
_MOST_FILES = 20
"""Files whose times are compared."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A monitor and, line by line, what was guessed and why."""

    monitor: Monitor
    notes: tuple[str, ...]

    def notifying(self, channels: Sequence[str]) -> "Guess":
        """The same, telling people through these channels."""
        if not channels:
            return self
        alert = self.monitor.alert.model_copy(update={"notify": tuple(channels)})
        return replace(self, monitor=self.monitor.model_copy(update={"alert": alert}))

    def yaml(self, sample: str) -> str:
        """The monitor file: the notes as comments, then the fields."""
        comments = "".join(f"#   {note}\n" for note in self.notes)
        fields = dump_monitor(self.monitor)
        if self.monitor.alert.is_default:  # left out then, but people should see it
            budget = f"alert:\n  false_alarms_per_day: {self.monitor.alert.daily_budget():g}\n"
            fields = fields.replace("\nalert:\n", f"\n{budget}", 1) if "\nalert:\n" in fields else fields + budget
        return f"# Written by 'latentwatch init {sample}'. What was guessed, and why; correct it:\n{comments}\n{fields}"


def guess_monitor(
    path: str,
    name: str | None = None,
    topic: str | None = None,
    time: str | None = None,
    entity: str | None = None,
    where: Mapping[str, str] | None = None,
) -> Guess:
    """Guess a monitor from a file; `time` and `entity` overrule the guess, `topic` makes a Kafka topic its source, and
    only the records that say what `where` does count.

    Raises InvalidHistory when the file is empty, holds no feature, or writes numbers that nothing explains, InvalidInput
    when the name or the topic is none.
    """
    files = find_files([path])
    path = files[0]
    encoding, encoding_note = guess_encoding(path)
    packed, packed_note = packing(path, encoding)
    file = open_table(path, unpacker_of(packed), encoding)
    uneven, uneven_note = uneven_rows(file)
    sample = read_sample(replace(file, patient=bool(uneven)))
    if uneven:
        index = sample[0].texts.index
        sample = resampled(sample, pd.Series(~np.isin(index, uneven), index), file.decimal_commas)
    sample, units_note = without_units(sample, file.decimal_commas) if file.head else (sample, "")
    refuse_empty(file, len(sample[0].texts) if sample else 0)
    refuse_unsuitable_tables(file, sample)
    shape = known_shape(sample, where, file.decimal_commas)
    columns = shape.columns
    rows = len(columns[0].texts) if columns else 0
    refuse_empty(file, rows)
    for role, given in (("time", time), ("entity", entity)):
        names = [column.name for column in sample]
        if given is not None and given not in names:
            raise InvalidHistory(f"{path}: has no field {given!r} for the {role}; it has {', '.join(names)}")
    notes = [
        f"looked at {counted(len(sample[0].texts), 'record')} of {Path(path).name} ({file.format}, {counted(len(sample), 'column')})"
    ]
    notes += [note for note in (encoding_note, packed_note, uneven_note, units_note, *shape.notes) if note]
    if len(files) > 1:
        notes.append(f"did not look at {len(files) - 1} further files; the monitor's source is this one")
    if rows < _FEW:
        notes.append(
            f"a sample of {rows}: training needs some hundred records of normal operation, better some thousand"
        )
    time = time or _guess_time(columns, path, notes, [column for column in sample if column.name in shape.times])
    if time is not None and time == entity:
        raise InvalidInput(
            f"{path}: {time!r} is the time, and names no entity; give another field with --entity, or another --time"
        )
    times = next((column.texts for column in sample if column.name == time), None)
    day_first = None if times is None else _guess_order(time, times, path, notes)
    refuse_one_record(file, rows)
    if times is not None and (
        doubled := doubled_hour_note(times.astype(object).where(times.notna(), None).tolist(), day_first)
    ):
        notes.append(doubled)
    parts = (entity,) if entity else shape.entity
    aligned: Alignable | None = None
    if times is not None and (long := find_long_form(columns)) is not None:
        moments = parse_times(times.tolist(), day_first)
        aligned = alignable(long, columns, str(time), times, moments, parts, file.decimal_commas)
        columns, parts = aligned.columns, aligned.entity
        notes += aligned.notes
        notes.append(f"entity: {', '.join(map(repr, parts)) if parts else 'none found; all records belong to one'}")
        notes += [key_note(parts)] if topic else []
    elif not parts and (found := long_form(columns)):
        parts = found[:1]
        notes.append(found[1])
    if parts and entity is None and shape.entity:
        notes.append(f"entity: {', '.join(map(repr, parts))}, as such records have it")
    if (
        not parts
        and aligned is None
        and (guessed := guess_entity([column for column in columns if column.name != time], times, day_first, notes))
    ):
        parts = (guessed,)
    entity = parts[0] if len(parts) == 1 else None
    one_each = not parts and aligned is None and time is not None and _side_by_side(files, time, day_first, encoding)
    if one_each:
        notes[-1] = "entity: the file, since the files' times overlap: one machine each, named as its file"
    owned = [column.texts.fillna("").astype(str) for column in sample if column.name in parts]
    owners = pd.concat(owned, axis=1).agg(" ".join, axis=1) if owned else None
    features = first_features(
        [column for column in columns if column.name not in (time, *parts)],
        owners,
        None if times is None else pd.Series(parse_times(times.tolist(), day_first), times.index),
        notes,
        shape,
    )
    packed_texts = [column.name for column in columns if column.packed]
    if packed_texts and not any(
        column.numbers is not None and column.distinct > 1 and shape.short(column.name) in features
        for column in columns
    ):
        refuse_packed(path, packed_texts)
    if not features:
        why = "".join(f"\n  {note}" for note in notes)
        raise InvalidHistory(f"{path}: no column can serve as a feature; a monitor needs at least one{why}")
    moving = [
        each for each in (shape.short(column.name) for column in columns if column.distinct > 1) if each in features
    ]
    if moving and all(_type_of(features[each]) == "text" for each in moving):
        notes.append(
            f"warning: of what changes all is text ({', '.join(moving)}): its words alone are judged; if these are numbers, or "
            "lines of a table, they were not told apart"
        )
    named = [column.name for column in columns if column.name != time and is_code(column)]
    if not parts and named and not one_each:
        notes.append(
            "alerts: flagged records less than five minutes apart share one; with --entity "
            f"{shlex.quote(named[0])} each {named[0]!r} has its own, and a past of its own"
        )
    if once := next((column.name for column in columns if column.name in parts and is_identifier(column)), None):
        notes.append(
            f"entity: every {once!r} comes once, so that no record has a past to be judged by, and each has an alert of its own;"
            " give a field whose values come again if there is one"
        )
    written = common_form([column for column in columns if shape.short(column.name) in features])
    if written is not None:
        features = {name: _without_form(spec) for name, spec in features.items()}
    record = {
        "time": time,
        "day_first": day_first,
        "encoding": encoding,
        "entity": {"file": True} if one_each else (entity or (list(parts) or None)),
        "where": shape.where or None,
        "written": written,
        **packed,
        **(aligned.keys if aligned else {}),
        "features": features,
    }
    monitor: dict[str, Any] = {
        "name": name or _slug(Path(path).stem),
        "source": {"kafka": {"topic": topic}} if topic else {"file": {"path": path}},
        "record": {key: value for key, value in record.items() if value is not None},
    }
    if time is None:
        monitor |= {"window": 1, "alert": {"false_alarm_rate": 0.01}}
        notes.append(
            "window: 1, since without a time each record is scored on its own; 'auto' if rows follow each other"
        )
        notes.append("alert: one false alarm in a hundred records, since without a time there is no day to count by")
    elif times is not None:
        if aligned is not None:
            times = times[aligned.columns[0].texts.index]
            owners = None if owners is None else owners[times.index]
        policies, reasons = _first_policies(times, owners, day_first, features)
        monitor |= policies
        notes += reasons
    try:
        return Guess(Monitor.model_validate(monitor), tuple(notes))
    except ValidationError as error:
        raise InvalidInput("\n".join(_refusal(problem, path) for problem in error.errors())) from None


def _without_form(spec: Any) -> Any:
    """A feature's type without how it is written, which the whole record says."""
    if isinstance(spec, str):
        return spec
    left = {key: value for key, value in spec.items() if key != "written"}
    return left["type"] if len(left) == 1 else left


def _type_of(feature: Any) -> str:
    return str(feature["type"] if isinstance(feature, dict) else feature)


def _refusal(problem: Any, path: str) -> str:
    """What is wrong with a word of the command line, or with a column's name, which the file alone can change."""
    place, message = problem["loc"], problem["msg"].removeprefix("Value error, ")
    where = {"name": "--name", "source": "--topic"}.get(place[0], f"{path}: {'.'.join(str(part) for part in place)}")
    found = problem["input"]
    return f"{where}: {message}" + ("" if isinstance(found, dict | list) else f" (found {found!r})")


def _guess_time(columns: Sequence[Column], path: str, notes: list[str], others: Sequence[Column] = ()) -> str | None:
    """The first column, those named as times first, whose values nearly all read as times; of `others` where none does."""
    for column in (*sorted(columns, key=lambda column: not TIME_NAMES.search(column.name)), *others):
        if column.typed_time:
            notes.append(f"time: {column.name!r}, the file says that it is one")
            return column.name
        if column.numbers is not None and not is_epoch(column):
            continue
        order = day_comes_first(column.texts.dropna().astype(str))
        lacking = column.texts.isna().to_numpy() | (parse_times(column.texts.tolist(), order) == NO_TIME)
        if lacking.mean() > 1 - MOSTLY_TIMES:
            continue
        first = str(column.texts[~lacking].iloc[0])
        zone = "" if _ZONED.search(first) or column.numbers is not None else "; without a zone it is taken as UTC"
        read = "every value of it reads as a time"
        if lacking.any():
            read = f"{int((~lacking).sum()):,} of its {len(lacking):,} values read as times"
        notes.append(f"time: {column.name!r}, {read} ({first}){zone}")
        if lacking.any():
            row = int(column.texts.index[int(np.argmax(lacking))])
            found = "nothing" if pd.isna(column.texts[row]) else repr(column.texts[row])
            notes.append(
                f"without a time: {counted(int(lacking.sum()), 'row')}, the first of them row {row + 1} ({found}); training leaves such rows "
                "out, scoring answers them with an error"
            )
        return column.name
    for column in columns:
        if column.numbers is None:
            refuse_dates(path, column.name, column.texts)
    unread = next((column for column in columns if is_like_times(column)), None)
    if unread is not None:
        raise InvalidHistory(
            f"{path}: {unread.name!r} looks like a time that cannot be read ({unread.texts.dropna().iloc[0]}); "
            "write it as 2026-10-12T00:00:00Z, or name another column with --time"
        )
    notes.append("time: none found; a record's time will be when it arrives")
    return None


def _guess_order(time: str | None, times: "pd.Series[Any]", path: str, notes: list[str]) -> bool | None:
    """Of days between strokes, whether they come before the month; refused where the sample does not prove it."""
    given = times.dropna().astype(str)
    if not given.map(are_strokes).any():
        return None
    day_first = day_comes_first(given)
    if day_first is None:
        refuse_dates(path, str(time), given[given.map(are_strokes)])
    words = ("day before month", "first") if day_first else ("month before day", "second")
    notes.append(
        f"time: {words[0]}, since the {words[1]} number goes beyond 12; the monitor says so, and the data must keep to it"
    )
    return day_first


def _first_policies(
    times: "pd.Series[Any]", owners: "pd.Series[Any] | None", day_first: bool | None, features: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The monitor's `alert` and `retrain` by the pace of the sample's records, and why."""
    moments = parse_times([None if text is pd.NA else text for text in times.astype(object).tolist()], day_first)
    named = np.zeros(len(moments), np.intp) if owners is None else pd.factorize(owners)[0]
    known = moments != NO_TIME
    kinds = list(map(_type_of, features.values()))
    numbers = sum(kind in ("numeric", "counter") for kind in kinds)
    owned = len(np.unique(named))
    cadence = cadence_of(moments[known], named[known])
    span = float(np.ptp(moments[known])) / 1e6 if known.any() else 0.0
    others, daily = len(features) - numbers, known.sum() * _DAY / span if span else None
    alert, notes = first_alert(cadence, owned, numbers, others, daily=daily)
    retrain, more = first_history(cadence, owned, numbers, others)
    return {"alert": alert, "retrain": retrain} if retrain else {"alert": alert}, notes + more


def _side_by_side(files: Sequence[str], time: str, day_first: bool | None, encoding: str | None) -> bool:
    """Whether files cover the same stretch of time, as machines do that write one each."""
    spans = []
    for path in files[:_MOST_FILES] if len(files) > 1 else ():
        file = replace(open_table(path, encoding=encoding), patient=True)
        field = file.text(time)
        if field is None:
            return False
        values, missing = as_masked(file.select([field])[0])
        times = parse_times(values[~missing].astype(str).tolist() or [""], day_first)
        times = times[times != NO_TIME]
        if len(times):
            spans.append((int(times.min()), int(times.max())))
    return any(later[0] < earlier[1] for earlier, later in pairwise(sorted(spans)))


def _slug(stem: str) -> str:
    slug = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")
    return slug[:60] or "monitor"
