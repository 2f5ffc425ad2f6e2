"""What the columns of a sample say of a first monitor's features: which there are, of which type, and what is left out.

Columns -> `features` of the monitor's record, and a note on each guess
"""

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentwatch.collectors import CollectedShape
from latentwatch.console import counted
from latentwatch.detector.quantities import growth, sentinel
from latentwatch.detector.sampled_columns import (
    MOST_CATEGORIES,
    Column,
    counts_rows,
    holds_times,
    is_code,
    is_identifier,
    is_like_times,
    mean_words,
)
from latentwatch.domain.field_settings import Written
from latentwatch.unsuitable_tables import DECIMAL_COMMA

_LABEL_NAMES = re.compile(
    r"^(is_?)?(anomal(y|ies|ous)|changepoints?|labels?|outliers?|fault(y|s)?|attack|ground_?truth|failure|fraud(ulent)?)"
    r"([ _.-]?(flag|label))?$",
    re.IGNORECASE,
)
_OUTCOME_NAMES = re.compile(r"^(class|target|y)$", re.IGNORECASE)
"""Labels where they are 0 or 1, which a class of something else is not."""
_CODE_ADVICE = "and say which and not how much; 'numeric' in the record's features if it is a quantity"
_MOST_WORDS, _AGAIN = 5, 3
"""How many words a column may have that mean "no value", and how often each comes."""
_PERIODS = {
    "hour": 24.0,
    "minute": 60.0,
    "weekday": 7.0,
    "dayofweek": 7.0,
    "day_of_week": 7.0,
    "wind_direction": 360.0,
    "heading": 360.0,
}


def first_features(
    columns: Sequence[Column],
    owners: "pd.Series[Any] | None",
    moments: "pd.Series[int] | None",
    notes: list[str],
    shape: CollectedShape,
) -> dict[str, Any]:
    """Types by name; `owners` and `moments` are the rows' entities and times, where they have them."""
    rows = len(columns[0].texts) if columns else 0
    features: dict[str, Any] = {}
    constant = []
    for column in columns:
        left_out = _reason_to_leave_out(column, rows)
        times = None if moments is None else np.asarray(moments[column.texts.index], np.int64)
        grown = None if left_out else growth(column, owners, times)
        if grown is not None and times is None:
            left_out = (
                f"{grown.said}, as a counter or a clock does, so that every new value would look abnormal; with a time its "
                "rate a second would be judged"
            )
        elif grown is not None and grown.is_clock:
            left_out = f"{grown.said} as the time passes, so that it is a clock"
        if left_out:
            notes.append(f"left out {column.name!r}: {left_out}")
            continue
        type_ = _feature_type(column, rows) if grown is None else "counter"
        if grown is not None:
            notes.append(f"{column.name!r} is a counter, since {grown.said}: what is judged is its rate a second")
        if type_ == "category" and column.numbers is not None:
            notes.append(
                f"{column.name!r} is a category: its few whole numbers are named like an identifier's, {_CODE_ADVICE}"
            )
        if type_ != "category" and (column.written or column.unit or column.units):
            said = (("unit", column.unit), ("units", dict(column.units)), ("written", column.written))
            told = {key: value for key, value in said if value}
            type_ = {**(type_ if isinstance(type_, dict) else {"type": type_}), **told}
        if column.inside:
            type_ = {**(type_ if isinstance(type_, dict) else {"type": type_}), "path": column.name}
        instead = _words_for_none(column)
        if instead:
            type_ = {**(type_ if isinstance(type_, dict) else {"type": type_}), "missing": instead}
            notes.append(
                f"{column.name!r} is numeric, and has {', '.join(map(repr, instead))} in place of a number again and again: the monitor says "
                "that it means no value"
            )
        features[shape.short(column.name)] = type_
        strays = column.strays[~column.strays.astype(str).str.strip().isin(instead)]
        if len(strays):
            first = int(strays.index[0])
            words = ", ".join(json.dumps(str(word).strip(), ensure_ascii=False) for word in strays.unique()[:3])
            notes.append(
                f"{column.name!r} is numeric, but {counted(len(strays), 'cell')} of it hold no number (row {first + 1}: "
                f"{strays.iloc[0]!r}); training leaves those rows out, scoring reads them as missing and says so; if the "
                f"words mean 'no value', say 'missing: [{words}]' in the monitor's record, and the rows are learned from"
            )
        if grown is None and (note := sentinel(column)) is not None:
            notes.append(note)
        if column.distinct == 1:
            constant.append(shape.short(column.name))
    numbers = [column for column in columns if shape.short(column.name) in features and column.numbers is not None]
    if (comma := next(filter(None, map(_decimal_comma, numbers)), None)) is not None:
        notes.append(comma)
    notes += [_units_note(column) for column in numbers if column.units]
    if unclear := [column for column in numbers if column.others and not column.written]:
        shown = next(text.strip() for text in unclear[0].texts.dropna().astype(str) if "." in text)
        notes.append(
            f"points are decimal signs: in {', '.join(repr(column.name) for column in unclear)} {shown} is read as "
            f"{float(shown):.12g}; if the points part thousands, say 'written: \"1.234,5\"' in the monitor's record"
        )
    if with_unit := [column for column in numbers if column.unit and not column.units]:
        named = ", ".join(f"{column.name!r} ({column.unit})" for column in with_unit)
        notes.append(
            f"numbers with a unit beside each: {named}; the monitor says the unit, and the data must keep to it"
        )
    notes += [_form_note(numbers, form) for form in dict.fromkeys(column.written for column in numbers) if form]
    if features:
        kinds = [spec if isinstance(spec, str) else spec["type"] for spec in features.values()]
        listed = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        notes.append(f"features: {listed}")
    if constant:
        notes.append(
            f"constant in the sample: {', '.join(constant)}; kept, since a constant that begins to move is news"
        )
    return features


def _words_for_none(column: Column) -> list[str]:
    """The words that stand in place of numbers, where they come again: a mistake does not."""
    if column.numbers is None:
        return []
    counts = column.strays.astype(str).str.strip().value_counts()
    again = sorted(counts.index[counts >= _AGAIN])
    return again if len(again) <= _MOST_WORDS else []


def _decimal_comma(column: Column) -> str | None:
    """How the column's first number with a decimal comma is read, which its thousands' comma would make wrong."""
    found = column.texts[column.texts.astype(str).str.fullmatch(DECIMAL_COMMA)]
    if column.written or not len(found):
        return None
    number = str(found.iloc[0]).strip()
    return f"decimal commas: in {column.name!r} {number} is read as {number.replace(',', '.')}"


def _units_note(column: Column) -> str:
    """How numbers in units of several sizes are read."""
    assert column.numbers is not None  # the caller has looked
    given = column.texts[column.numbers.notna()].astype(str).str.strip()
    shown = [unit for unit in column.units if given.str.endswith(unit).any()]
    unit = max(shown, key=lambda each: column.units[each], default="")
    odd = next((text for text in given if text.endswith(unit)), "")
    read = f"{column.numbers[given.index[given == odd][0]]:.12g} {column.unit}".rstrip()
    return f"units of several sizes: in {column.name!r} {odd} is read as {read}; the monitor says how large each is, correct it where it is not so"


def _form_note(columns: Sequence[Column], form: Written) -> str:
    """How a number is read that programs would not read so."""
    of = [column for column in columns if column.written == form]
    shown, numbers = of[0].texts, of[0].numbers
    assert numbers is not None  # the caller has looked
    odd = shown[numbers.notna() & shown.astype(str).str.contains(r"\d[^\d.]\d", regex=True)]
    example = "" if odd.empty else f": in {of[0].name!r} {str(odd.iloc[0]).strip()} is {numbers[odd.index[0]]:.12g}"
    more = f", and {len(of) - 1} more columns" if len(of) > 1 else ""
    return f"numbers are written as in {form}{example}{more}; the monitor says so, and the data must keep to it"


def _reason_to_leave_out(column: Column, rows: int) -> str | None:
    if column.texts.isna().all():
        return "it is empty"
    if column.packed:
        return "it holds JSON objects as text, whose parts are fields in JSON lines alone ('unpack')"
    if column.nested:
        return "it holds lists, or objects without a plain part"
    outcome = _OUTCOME_NAMES.match(column.own_name) and column.numbers is not None and column.numbers.isin((0, 1)).all()
    if outcome or (_LABEL_NAMES.match(column.own_name) and column.distinct <= 20):
        return "it looks like a label; normal is learned without labels"
    if column.numbers is not None:
        if counts_rows(column):
            return "it counts the rows"
        if is_code(column) and column.distinct > MOST_CATEGORIES:
            return (
                f"its {column.distinct:,} different whole numbers are named like an identifier's, {_CODE_ADVICE}; "
                f"'init --entity {shlex.quote(column.name)}' judges each by its own past"
            )
        return None
    if holds_times(column):
        return f"it holds times ({column.texts.dropna().iloc[0]}), whose every value will be new"
    if is_like_times(column):
        return (
            f"it looks like a time that cannot be read ({column.texts.dropna().iloc[0]}); "
            "write it as 2026-10-12T00:00:00Z"
        )
    return "every value is different, as in an identifier" if is_identifier(column) else None


def _feature_type(column: Column, rows: int) -> Any:
    if is_code(column):
        return "category"
    if column.numbers is not None:
        period = _PERIODS.get(column.own_name.lower())
        inside = period is not None and bool(column.numbers.dropna().between(0, period).all())
        return {"type": "cyclic", "period": period} if inside else "numeric"
    if set(column.texts.dropna().str.lower()) <= {"true", "false"}:
        return "boolean"
    few = column.distinct <= MOST_CATEGORIES or column.distinct * 20 <= rows
    return "category" if few and mean_words(column) < 5 else "text"
