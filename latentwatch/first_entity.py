"""Whose records a sample's are: the column that names the entity, by its name, by what it tells apart, or by how its values
take turns.

Columns and times of a sample → a field's name or none, and a note that says why
"""

import re
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentwatch.collectors import describes
from latentwatch.detector.sampled_columns import MOST_CATEGORIES, Column, is_code, mean_words
from latentwatch.domain.times import NO_TIME, parse_times
from latentwatch.long_form import told

_ENTITY_NAMES = re.compile(
    r"^(entity|device|machine|asset|unit|rig|sensor|host|server|station|node|plant|line|pump|vehicle|customer|user|account"
    r"|turbine|engine|meter|run|group|site|location)([ _.-]?(id|name|no|number))?$",
    re.IGNORECASE,
)
_ID_NAMES = re.compile(r"(^|[_ .-])id$|[a-z]Id$")
_SHARED_TIMES = 0.5
"""From this share of records on that have their time with others, a column that tells those apart names entities."""
_FEWEST_TURNS = 10
"""Records of each value below which their pace is chance."""
_REGULAR = 0.25
"""How far apart the middle half of a value's steps may be, and how far the middle one from its span's share."""
_OWN_LEVEL = 0.5
"""The share of a number's variance, by rank, about what all values show at one turn, that a device of its own explains."""
_MOSTLY = 0.9
_NONE = "entity: none found; all records belong to one"


def guess_entity(
    columns: Sequence[Column], times: "pd.Series[Any] | None", day_first: bool | None, notes: list[str]
) -> str | None:
    """The field that names whose record each is; None where none plainly does, with a word on one that may."""
    repeating = [
        column
        for column in columns
        if column.distinct * 2 <= len(column.texts) and not column.texts.isna().any() and not describes(column)
    ]
    for column in repeating:
        steps = column.name.split(".") if column.inside else [column.name]
        if any(_ENTITY_NAMES.match(".".join(steps[at:])) for at in range(len(steps))) and not _is_measured(column):
            notes.append(f"entity: {column.name!r}, by its name; {column.distinct} different in the sample")
            return column.name
    for column in repeating:
        if _ID_NAMES.search(column.own_name) and column.numbers is None and column.distinct > 1:
            notes.append(
                f"entity: {column.name!r}, an identifier that repeats; {column.distinct} different in the sample"
            )
            return column.name
    if times is not None and float(times.duplicated(keep=False).mean()) >= _SHARED_TIMES:
        for column in repeating:
            if (column.numbers is None or is_code(column)) and not pd.DataFrame(
                {"at": times, "of": column.texts}
            ).duplicated().any():
                notes.append(
                    f"entity: {column.name!r}, which tells records of one time apart; {column.distinct} different in the"
                    " sample"
                )
                return column.name
    if times is not None:
        return _taking_turns(repeating, columns, times, day_first, notes)
    notes.append(_NONE)
    return None


def _taking_turns(
    repeating: Sequence[Column],
    columns: Sequence[Column],
    times: "pd.Series[Any]",
    day_first: bool | None,
    notes: list[str],
) -> str | None:
    """The words that come in turn, each at a pace and with levels of its own, as devices do that share a stream.

    Where only one of both is so, a person has to say, and the note asks.
    """
    moments = pd.Series(parse_times(times.tolist(), day_first), times.index)
    numbers = [
        column.numbers
        for column in columns
        if column.numbers is not None and column.distinct > 1 and not describes(column)
    ]
    asked: Column | None = None
    for column in repeating:
        words = (
            column.numbers is None
            and not column.nested
            and 2 <= column.distinct <= MOST_CATEGORIES
            and mean_words(column) < 2
        )
        if not words or column.texts.value_counts().min() < _FEWEST_TURNS:
            continue
        regular, apart = _is_regular(column, moments), _has_own_levels(column, numbers)
        if regular and apart:
            notes.append(
                f"entity: {column.name!r}, whose {column.distinct} values take turns, each at a steady pace and with levels of its"
                " own, as devices do that share a stream"
            )
            return column.name
        if (regular or apart) and asked is None:
            asked = column
    notes.append(
        _NONE
        if asked is None
        else f"entity: none is plain; {asked.name!r} has {asked.distinct} values; if each is a device of its own:"
        f" --entity {shlex.quote(asked.name)}; all records belong to one until then"
    )
    return None


def _is_regular(column: Column, moments: "pd.Series[Any]") -> bool:
    """Whether each value comes from the sample's beginning to its end at a steady pace, in order of time."""
    known = moments != NO_TIME
    steps = moments[known].groupby(column.texts[known]).diff().dropna()
    if not len(steps) or float((steps > 0).mean()) < _MOSTLY:
        return False
    ends = moments[known].groupby(column.texts[known]).agg(["min", "max", "size"])
    whole = float(ends["max"].max() - ends["min"].min())
    low, middle, high = (steps.groupby(column.texts[known]).quantile(share) for share in (0.25, 0.5, 0.75))
    expected = whole / (ends["size"] - 1)
    steady = ((high - low) <= _REGULAR * middle) & ((middle - expected).abs() <= _REGULAR * expected)
    return bool(steady.mean() >= _MOSTLY)


def _has_own_levels(column: Column, numbers: Sequence["pd.Series[Any]"]) -> bool:
    """Whether the values of half of the moving numbers differ more between the column's values than within them, beside what
    all show at one turn."""
    turns = column.texts.groupby(column.texts).cumcount()
    shares = [told(each - each.groupby(turns).transform("median"), column.texts) for each in numbers]
    return bool(shares) and float(np.mean(np.array(shares) >= _OWN_LEVEL)) >= 0.5


def _is_measured(column: Column) -> bool:
    """Whether a column holds fractions, so that it is a quantity, whatever its name."""
    return column.numbers is not None and bool((column.numbers.dropna() % 1 != 0).any())
