"""A first monitor from a sample of data: what is the time, what the entity, what the features, and why.

Sample file → Guess(monitor, notes). A guess is written down with its reason, so that a person can correct it in the
file; it is never made again behind their back.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pydantic import ValidationError

from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.domain.monitor import Monitor, dump_monitor
from latentwatch.misreadings import DECIMAL_COMMA, are_dates, refuse_dates, refuse_misreadings
from latentwatch.streams.decoding.cells import MISSING_WORDS
from latentwatch.streams.decoding.times import NO_TIME, parse_times
from latentwatch.tables import TableFile, as_masked, find_files, open_table

_SAMPLE = 20_000
_TIME_NAMES = re.compile(
    r"(^|[^a-z])(time|timestamp|datetime|date|ts|event_?time|utc|epoch)([^a-z]|$)|time(stamp)?$", re.IGNORECASE
)
_ENTITY_NAMES = re.compile(
    r"^(entity|device|machine|asset|unit|rig|sensor|host|server|station|node|plant|line|pump|vehicle|customer|user|account"
    r"|turbine|engine|meter|run|group|site|location)([ _.-]?(id|name|no|number))?$",
    re.IGNORECASE,
)
_LABEL_NAMES = re.compile(
    r"^(is_?)?(anomal(y|ies|ous)|changepoints?|labels?|outliers?|fault(y|s)?|attack|ground_?truth|failure|fraud(ulent)?)"
    r"([ _.-]?(flag|label))?$",
    re.IGNORECASE,
)
_OUTCOME_NAMES = re.compile(r"^(class|target|y)$", re.IGNORECASE)
"""Labels where they are 0 or 1, which a class of something else is not."""
_INDEX_NAMES = re.compile(r"^(|index|idx|row|row_?(id|number|num)|unnamed.*|column0|id)$", re.IGNORECASE)
_PERIODS = {
    "hour": 24.0,
    "minute": 60.0,
    "weekday": 7.0,
    "dayofweek": 7.0,
    "day_of_week": 7.0,
    "wind_direction": 360.0,
    "heading": 360.0,
}
_ZONED = re.compile(r"(Z|[+-]\d{2}:?\d{2})\s*$")
_NESTED = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)
_MOST_CATEGORIES = 50
_FEW = 200
_LOOK = 1_000
"""Objects that are looked at for their parts."""
_MOSTLY_NUMBERS = 0.95
"""From this share of numbers on, a column of many values is a quantity, and its words are mistakes in the sample."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A monitor and, line by line, what was guessed and why."""

    monitor: Monitor
    notes: tuple[str, ...]

    def yaml(self, sample: str) -> str:
        """The monitor file: the notes as comments, then the fields."""
        comments = "".join(f"#   {note}\n" for note in self.notes)
        fields = dump_monitor(self.monitor)
        if "\nalert:" not in fields:  # at its default it is left out, but people should see it
            fields += f"alert:\n  false_alarms_per_day: {self.monitor.alert.false_alarms_per_day:g}\n"
        return f"# Written by 'latentwatch init {sample}'. What was guessed, and why; correct it:\n{comments}\n{fields}"


@dataclass(frozen=True, slots=True)
class _Column:
    """A sampled column: its text, and its numbers where every cell present is one, or nearly every one."""

    name: str
    texts: "pd.Series[Any]"
    numbers: "pd.Series[Any] | None"
    typed_time: bool
    strays: "pd.Series[Any]"
    """The words among the numbers, by row; empty where `numbers` is None."""
    inside: bool = False
    """Whether it is a part of an object, its name the path to it."""

    @property
    def own_name(self) -> str:
        """What it is called where it stands."""
        return self.name.rpartition(".")[2] if self.inside else self.name

    @property
    def distinct(self) -> int:
        return int(self.texts.nunique())

    @property
    def nested(self) -> bool:
        """Whether every value is an object or a list, which would otherwise be taken for words."""
        return bool(self.texts.dropna().astype(str).str.fullmatch(_NESTED).all())


def guess_monitor(
    path: str, name: str | None = None, topic: str | None = None, time: str | None = None, entity: str | None = None
) -> Guess:
    """Guess a monitor from a file; `time` and `entity` overrule the guess, `topic` makes a Kafka topic its source.

    Raises InvalidHistory when the file is empty, holds no feature, or writes numbers with a decimal comma, InvalidInput
    when the name or the topic is none.
    """
    files = find_files([path])
    path = files[0]
    file = open_table(path)
    columns = _sample(file)
    refuse_misreadings(file, {column.name: column.texts for column in columns if column.numbers is None})
    rows = len(columns[0].texts) if columns else 0
    if rows == 0:
        raise InvalidHistory(f"{path}: there is no record in it; give a sample with some hundred normal records")
    for role, given in (("time", time), ("entity", entity)):
        names = [column.name for column in columns]
        if given is not None and given not in names:
            raise InvalidHistory(f"{path}: has no field {given!r} for the {role}; it has {', '.join(names)}")
    notes = [f"looked at {rows} records of {Path(path).name} ({file.format}, {len(columns)} columns)"]
    if len(files) > 1:
        notes.append(f"did not look at {len(files) - 1} further files; the monitor's source is this one")
    if rows < _FEW:
        notes.append(
            f"a sample of {rows}: training needs some hundred records of normal operation, better some thousand"
        )
    time = time or _guess_time(columns, path, notes)
    times = next((column.texts for column in columns if column.name == time), None)
    entity = entity or _guess_entity([column for column in columns if column.name != time], times, notes)
    features = _guess_features([column for column in columns if column.name not in (time, entity)], rows, notes)
    if not features:
        why = "".join(f"\n  {note}" for note in notes)
        raise InvalidHistory(f"{path}: no column can serve as a feature; a monitor needs at least one{why}")
    if entity is None and (own := [column.name for column in columns if _is_identifier(column, rows)]):
        notes.append(
            "alerts: flagged records less than five minutes apart share one; with --entity "
            f"{shlex.quote(own[0])} each record has its own, named by it"
        )
    record = {"time": time, "entity": entity, "features": features}
    monitor: dict[str, Any] = {
        "name": name or _slug(Path(path).stem),
        "source": {"kafka": {"topic": topic}} if topic else {"file": {"path": path}},
        "record": {key: value for key, value in record.items() if value},
    }
    if time is None:
        monitor |= {"window": 1, "alert": {"false_alarm_rate": 0.01}}
        notes.append(
            "window: 1, since without a time each record is scored on its own; 'auto' if rows follow each other"
        )
        notes.append("alert: one false alarm in a hundred records, since without a time there is no day to count by")
    else:
        monitor["alert"] = {"false_alarms_per_day": 2.0}
        notes.append("alert: two false alarms a day, to start with")
    try:
        return Guess(Monitor.model_validate(monitor), tuple(notes))
    except ValidationError as error:
        raise InvalidInput("\n".join(_refusal(problem, path) for problem in error.errors())) from None


def _refusal(problem: Any, path: str) -> str:
    """What is wrong with a word of the command line, or with a column's name, which the file alone can change."""
    place, message = problem["loc"], problem["msg"].removeprefix("Value error, ")
    where = {"name": "--name", "source": "--topic"}.get(place[0], f"{path}: {'.'.join(str(part) for part in place)}")
    return f"{where}: {message} (found {problem['input']!r})"


def _sample(file: TableFile) -> list[_Column]:
    """Its columns; an object's parts are columns of their own."""
    columns = _columns(file, file.columns, inside=False)
    parts = [_parts(file, column) for column in columns]
    return [each for column, inner in zip(columns, parts, strict=True) for each in inner or (column,)]


def _columns(file: TableFile, names: Sequence[str], inside: bool) -> list[_Column]:
    texts = file.select([str(file.word(name)) for name in names], limit=_SAMPLE)
    return [
        _column(name, found, file.types.get(name, "").startswith(("TIMESTAMP", "DATE")), inside, file.decimal_commas)
        for name, found in zip(names, texts, strict=True)
    ]


def _parts(file: TableFile, column: _Column) -> list[_Column]:
    """The parts of an object, of parts that are objects theirs; none of what is no object or is called with a dot."""
    if file.format == "csv" or not column.nested:
        return []
    whole = file.raw(column.name) if file.format == "jsonl" else f"CAST(to_json({file.raw(column.name)}) AS VARCHAR)"
    values, missing = as_masked(file.select([str(whole)], limit=_LOOK)[0])
    paths: dict[str, None] = {}
    try:
        for text in values[~missing]:
            paths |= dict.fromkeys(_paths(column.name, msgspec.json.decode(text)))
    except msgspec.DecodeError:  # words in braces
        return []
    return _columns(file, list(paths), inside=True) if paths else []


def _paths(path: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for key, part in value.items():
        if "." in key or '"' in key:
            continue
        if isinstance(part, dict):
            yield from _paths(f"{path}.{key}", part)
        else:
            yield f"{path}.{key}"


def _column(name: str, found: Any, typed_time: bool, inside: bool, decimal_commas: bool) -> _Column:
    values, missing = as_masked(found)
    texts = pd.Series(values.astype(object)).mask(missing, None)
    digits = texts.str.replace(",", ".", regex=False) if decimal_commas and texts.notna().any() else texts
    numbers = pd.to_numeric(digits, errors="coerce")
    words = texts.mask(texts.astype(str).str.strip().isin(MISSING_WORDS))
    strays = words[numbers.isna() & words.notna()]
    given = int(words.notna().sum())
    many = texts.nunique() > _MOST_CATEGORIES and len(strays) <= (1 - _MOSTLY_NUMBERS) * given
    if given and (strays.empty or many):
        return _Column(name, texts, numbers, typed_time, strays, inside)
    return _Column(name, texts, None, typed_time, strays[:0], inside)


def _guess_time(columns: Sequence[_Column], path: str, notes: list[str]) -> str | None:
    for column in sorted(columns, key=lambda column: not _TIME_NAMES.search(column.name)):
        named = bool(_TIME_NAMES.search(column.name))
        if column.typed_time:
            notes.append(f"time: {column.name!r}, the file says that it is one")
            return column.name
        if column.texts.isna().any() or (column.numbers is not None and not named):
            continue
        if column.numbers is not None and not _plausible_epoch(column.numbers):
            continue
        readable = parse_times(column.texts.tolist()) != NO_TIME
        if readable.all():
            first = str(column.texts.iloc[0])
            zone = "" if _ZONED.search(first) or column.numbers is not None else "; without a zone it is taken as UTC"
            notes.append(f"time: {column.name!r}, every value of it reads as a time ({first}){zone}")
            return column.name
    for column in columns:
        if _TIME_NAMES.search(column.name) and column.numbers is None:
            refuse_dates(path, column.name, column.texts)
    notes.append("time: none found; a record's time will be when it arrives")
    return None


def _plausible_epoch(numbers: "pd.Series[Any]") -> bool:
    """Whether numbers are seconds, milliseconds, micro- or nanoseconds between 1990 and 2100."""
    middle = float(numbers.abs().median())
    return any(6.3e8 * scale <= middle <= 4.1e9 * scale for scale in (1, 1e3, 1e6, 1e9))


def _guess_entity(columns: Sequence[_Column], times: "pd.Series[Any] | None", notes: list[str]) -> str | None:
    repeating = [
        column for column in columns if column.distinct * 2 <= len(column.texts) and not column.texts.isna().any()
    ]
    for column in repeating:
        steps = column.name.split(".") if column.inside else [column.name]
        if any(_ENTITY_NAMES.match(".".join(steps[at:])) for at in range(len(steps))) and not _is_measured(column):
            notes.append(f"entity: {column.name!r}, by its name; {column.distinct} different in the sample")
            return column.name
    if times is not None and times.duplicated().any():
        for column in repeating:
            if column.numbers is None and not pd.DataFrame({"at": times, "of": column.texts}).duplicated().any():
                notes.append(
                    f"entity: {column.name!r}, which tells records of one time apart; {column.distinct} different in the"
                    " sample"
                )
                return column.name
    notes.append("entity: none found; all records belong to one")
    return None


def _is_measured(column: _Column) -> bool:
    """Whether a column holds fractions, so that it is a quantity, whatever its name."""
    return column.numbers is not None and bool((column.numbers.dropna() % 1 != 0).any())


def _guess_features(columns: Sequence[_Column], rows: int, notes: list[str]) -> dict[str, Any]:
    features: dict[str, Any] = {}
    constant = []
    for column in columns:
        left_out = _reason_to_leave_out(column, rows)
        if left_out:
            notes.append(f"left out {column.name!r}: {left_out}")
            continue
        type_ = _feature_type(column, rows)
        if column.inside:
            type_ = {**(type_ if isinstance(type_, dict) else {"type": type_}), "path": column.name}
        features[column.name] = type_
        if len(column.strays):
            first = int(column.strays.index[0])
            notes.append(
                f"{column.name!r} is numeric, but {len(column.strays)} of its cells are not numbers (row {first + 1}: "
                f"{column.strays.iloc[0]!r}); training refuses them, scoring answers such records with an error"
            )
        if column.distinct == 1:
            constant.append(column.name)
    numbers = [column for column in columns if column.name in features and column.numbers is not None]
    if (comma := next(filter(None, map(_decimal_comma, numbers)), None)) is not None:
        notes.append(comma)
    if features:
        kinds = [spec if isinstance(spec, str) else spec["type"] for spec in features.values()]
        counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        notes.append(f"features: {counted}")
    if constant:
        notes.append(
            f"constant in the sample: {', '.join(constant)}; kept, since a constant that begins to move is news"
        )
    return features


def _decimal_comma(column: _Column) -> str | None:
    """How the column's first number with a decimal comma is read, which its thousands' comma would make wrong."""
    found = column.texts[column.texts.astype(str).str.fullmatch(DECIMAL_COMMA)]
    if not len(found):
        return None
    number = str(found.iloc[0]).strip()
    return f"decimal commas: in {column.name!r} {number} is read as {number.replace(',', '.')}"


def _reason_to_leave_out(column: _Column, rows: int) -> str | None:
    if column.texts.isna().all():
        return "it is empty"
    if column.nested:
        return "it holds lists, or objects without a plain part"
    outcome = _OUTCOME_NAMES.match(column.own_name) and column.numbers is not None and column.numbers.isin((0, 1)).all()
    if outcome or (_LABEL_NAMES.match(column.own_name) and column.distinct <= 20):
        return "it looks like a label; normal is learned without labels"
    if column.numbers is not None:
        steps = column.numbers.diff().dropna()
        if (
            (_INDEX_NAMES.match(column.own_name) or rows >= _FEW)
            and len(steps) == rows - 1 > 1
            and bool((steps == 1).all())
        ):
            return "it counts the rows"
        return None
    if column.typed_time or are_dates(column.texts):
        return f"it holds times ({column.texts.dropna().iloc[0]}), whose every value will be new"
    return "every value is different, as in an identifier" if _is_identifier(column, rows) else None


def _is_identifier(column: _Column, rows: int) -> bool:
    return (
        column.numbers is None
        and column.distinct == rows
        and rows > _MOST_CATEGORIES
        and not column.nested
        and _mean_words(column) < 2
    )


def _feature_type(column: _Column, rows: int) -> Any:
    if column.numbers is not None:
        period = _PERIODS.get(column.own_name.lower())
        inside = period is not None and bool(column.numbers.dropna().between(0, period).all())
        return {"type": "cyclic", "period": period} if inside else "numeric"
    if set(column.texts.dropna().str.lower()) <= {"true", "false"}:
        return "boolean"
    few = column.distinct <= _MOST_CATEGORIES or column.distinct * 20 <= rows
    return "category" if few and _mean_words(column) < 5 else "text"


def _mean_words(column: _Column) -> float:
    return float(np.mean([len(str(text).split()) for text in column.texts.dropna().head(200)]))


def _slug(stem: str) -> str:
    slug = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")
    return slug[:60] or "monitor"
