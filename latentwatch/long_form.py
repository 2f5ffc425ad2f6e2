"""Tables in long form: one column says what is measured, another holds the value. Columns → a sentence, or a refusal.

Such a value means something else in each row. Learned as one feature it hides nearly every fault: a load of 50 is nothing
beside a memory of 8,000,000,000 bytes.
"""

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from latentwatch.detector.sampled_columns import MOST_CATEGORIES, Column
from latentwatch.domain.errors import InvalidHistory

_NAMES = re.compile(
    r"^(__name__|(var|variable|metric|signal|series|parameter|param|measurement|field|channel|tag|item|key)[ _]?(name|id)?|name)$",
    re.IGNORECASE,
)
_VALUES = re.compile(r"^((var|metric|field)?[ _]?value|val|reading)$", re.IGNORECASE)
_TELLING = 0.5
"""The share of the value's variance, by rank, that its name must explain."""

_DOUBLED = 0.05
"""From this share of rows on that repeat another's time and name, they are of several sources."""


def long_form(columns: Sequence[Column], times: "pd.Series[Any] | None", path: str) -> tuple[str, str] | None:
    """The column that names what is measured, and what to say of it; None where the table is not in long form.

    Raises InvalidHistory where one time has several records of a name, so that the name alone cannot be their entity.
    """
    values = [column for column in columns if _VALUES.match(column.own_name) and column.numbers is not None]
    names = [
        column
        for column in columns
        if _NAMES.match(column.own_name) and column.numbers is None and 2 <= column.distinct <= MOST_CATEGORIES
    ]
    if len(values) != 1 or not names:
        return None
    value, name = values[0], names[0]
    assert value.numbers is not None  # by the choice above
    ranks = value.numbers.rank()
    within = ranks.groupby(name.texts).transform("mean")
    if not float(((ranks - within) ** 2).sum()) <= (1 - _TELLING) * float(((ranks - ranks.mean()) ** 2).sum()):
        return None
    kinds = ", ".join(sorted(map(str, name.texts.dropna().unique()))[:3])
    what = f"long form: {value.name!r} means something else for each {name.name!r} ({kinds}{', ...' if name.distinct > 3 else ''})"
    if times is not None and pd.DataFrame({"at": times, "of": name.texts}).duplicated().mean() > _DOUBLED:
        raise InvalidHistory(
            f"{path}: {what}, and several records of a time share a {name.name!r}, so that no monitor can tell them apart. Give a "
            f"table with one row a time and source and a column for each {name.name!r}, as pandas' "
            f"df.pivot_table(index=[time, source], columns={name.name!r}, values={value.name!r}) makes; or one file a source"
        )
    return name.name, (
        f"{what}; each is watched as an entity of its own, apart from the others. To see what belongs together, give a table with "
        f"a column for each {name.name!r}"
    )
