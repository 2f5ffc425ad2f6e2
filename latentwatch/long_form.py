"""Tables in long form: one column says what is measured, another holds the value. Columns → a sentence, or a refusal.

Such a value means something else in each row. Learned as one feature it hides nearly every fault: a load of 50 is nothing
beside a memory of 8,000,000,000 bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentwatch.collectors import WHOSE, telling_apart
from latentwatch.detector.sampled_columns import MOST_CATEGORIES, Column
from latentwatch.domain.durations import format_duration
from latentwatch.domain.errors import InvalidHistory
from latentwatch.sample import resampled

_NAMES = re.compile(
    r"^(__name__|(var|variable|metric|signal|series|parameter|param|measurement|field|channel|tag|item|key|point|quantity|register)"
    r"[ _]?(name|id)?|name|entity_id|node_?id|_field)$",
    re.IGNORECASE,
)
_VALUES = re.compile(r"^((var|metric|field)?[ _]?value|val|reading|state|average|avg)$", re.IGNORECASE)
_OBJECTS = re.compile(r"^(values?|fields|data|stats)$", re.IGNORECASE)
"""Of objects that hold several values."""
_TELLING = 0.5
"""The share of the value's variance, by rank, that its name must explain."""

_FEWEST, _RARE = 5, 0.002
"""Rows of a name, and their share of those of the commonest one, below which nothing can be learned of it."""
_DOUBLED = 0.05
"""From this share of rows on that repeat another's time and name, they are of several sources."""


_BEHIND = 0.2
"""From this share of rows that stand more than a tick behind others on, they do not follow the time."""
_PACES = (0.1, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)
"""Seconds between records that people choose."""
_NEAR = 0.15
"""How far a pace may be from one of those, as a share of it."""
_SLOWER = 1.5
"""From this many ticks on between a name's values, an earlier one stands for those that do not come."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table in long form."""

    name: Column
    values: tuple[Column, ...]
    """One, or the parts of an object of several."""
    what: str
    """A sentence that says so."""

    @property
    def keys(self) -> dict[str, str]:
        """The monitor's `long`."""
        value = self.values[0].name
        return {
            "name": self.name.name,
            **({"value": value} if len(self.values) == 1 else {"values": value.rpartition(".")[0]}),
        }

    def part(self, kind: object, value: Column) -> str:
        """What the value of a kind is called as a feature."""
        return str(kind) if len(self.values) == 1 else f"{kind}.{value.own_name}"


@dataclass(frozen=True, slots=True)
class Alignable:
    """How a table in long form becomes rows."""

    columns: list[Column]
    """One for each name, of the rows that say it."""
    entity: tuple[str, ...]
    keys: Mapping[str, Any]
    """The monitor's `long`, `every` and `age`."""
    notes: tuple[str, ...]


def long_form(columns: Sequence[Column]) -> tuple[str, str] | None:
    """The column that names what is measured, and what to say of it where no time puts values together; None where the table is
    not in long form."""
    found = find_long_form(columns)
    if found is None:
        return None
    return found.name.name, (
        f"{found.what}; without a time each is watched as an entity of its own, apart from the others. To see what belongs together,"
        f" give a table with a time, or with a column for each {found.name.name!r}"
    )


def find_long_form(columns: Sequence[Column]) -> Found | None:
    """The columns of a table in long form; None where the value means the same whatever the name, or there is none."""
    values = [column for column in columns if _VALUES.match(column.own_name) and column.numbers is not None]
    values = values if len(values) == 1 else _of_one_object(columns)
    telling = {
        place: max(told(value.numbers, column.texts) for value in values if value.numbers is not None)
        for place, column in enumerate(columns)
        if values and all(column is not value for value in values) and _names_what(column)
    }
    chosen = [place for place, share in telling.items() if share >= _TELLING]
    if not chosen:
        return None
    # Words say more than numbers, and what stands in the record itself more than what stands inside of it.
    place = max(chosen, key=lambda each: (columns[each].numbers is None, not columns[each].inside, telling[each]))
    name = columns[place]
    kinds = ", ".join(sorted(map(str, name.texts.dropna().unique()))[:3])
    more = ", ..." if name.distinct > 3 else ""
    value = Found(name, tuple(values), "").keys
    held = value.get("value", value.get("values"))
    return Found(
        name, tuple(values), f"long form: {held!r} means something else for each {name.name!r} ({kinds}{more})"
    )


def _of_one_object(columns: Sequence[Column]) -> list[Column]:
    """The numbers of an object of values; none where there is no such object, or more than one."""
    objects: dict[str, list[Column]] = {}
    for column in columns:
        above = column.name.rpartition(".")[0]
        if column.inside and column.numbers is not None and _OBJECTS.match(above.rpartition(".")[2]):
            objects.setdefault(above, []).append(column)
    return next(iter(objects.values())) if len(objects) == 1 else []


def _names_what(column: Column) -> bool:
    """Whether its few words, or whole numbers, are named as what a value is of."""
    words = column.numbers is None or bool((column.numbers.dropna() % 1 == 0).all())
    return (
        bool(_NAMES.match(column.own_name)) and words and not column.nested and 2 <= column.distinct <= MOST_CATEGORIES
    )


def told(values: "pd.Series[Any]", names: "pd.Series[Any]") -> float:
    """The share of the values' variance, by rank, that their names explain, each name counting alike however often it comes."""
    table = pd.DataFrame({"value": values, "name": names}).dropna().sort_values("value")
    weights = 1 / table.groupby("name")["value"].transform("size")
    ranks = (weights.cumsum() - weights / 2).groupby(table["value"]).transform("mean")
    means = ranks.groupby(table["name"]).transform("mean")
    whole = float((weights * (ranks - np.average(ranks, weights=weights)) ** 2).sum()) if len(table) else 0.0
    return 1 - float((weights * (ranks - means) ** 2).sum()) / whole if whole > 0 else 0.0


def alignable(
    found: Found,
    columns: Sequence[Column],
    time: str,
    times: "pd.Series[Any]",
    moments: NDArray[np.int64],
    given: tuple[str, ...],
    decimal_commas: bool,
) -> Alignable:
    """How the table becomes rows of one entity and tick; `moments` [N] are its `time` field's values in microseconds, `given` an entity.

    Raises InvalidHistory where nothing tells the records of one time and name apart.
    """
    name, values = found.name, [value.name for value in found.values]
    at = times.astype(str) + "\0" + name.texts.astype(str)
    tags = [
        column
        for column in columns
        if column.name not in (name.name, *values, time)
        and not column.texts.isna().any()
        and column.distinct * 2 <= len(column.texts)
        and (column.numbers is None or WHOSE.search(column.name))
        and not _follows(column, name)
    ]
    entity = given or telling_apart(tags, at)
    owned = [column.texts.astype(str) for column in columns if column.name in entity]
    owners = pd.concat(owned, axis=1).agg(" | ".join, axis=1) if owned else pd.Series("", at.index)
    table = pd.DataFrame({"owner": owners, "name": name.texts, "text": times, "at": moments}, index=at.index)
    doubled = table.duplicated(["owner", "name", "text"]).groupby(table["name"]).mean()
    unclear = set(doubled.index[doubled > _DOUBLED])
    notes = [
        f"left out {each!r}: it has several values of one time{' and ' + ', '.join(entity) if entity else ''}"
        for each in sorted(unclear)
    ]
    counts = name.texts.value_counts()
    rare = set(counts.index[counts < max(_FEWEST, _RARE * float(counts.iloc[0]))])
    notes += [
        f"left out {each!r}: only {counts[each]} of the sample's rows are of it" for each in sorted(rare - unclear)
    ]
    kinds = [each for each in dict.fromkeys(name.texts.dropna()) if each not in unclear | rare]
    steps = table.groupby(["owner", "name"])["at"].diff()
    paces = (steps[steps > 0] / 1e6).groupby(table["name"]).median()
    paces = paces[[each for each in kinds if each in paces.index]]
    if not len(paces):
        raise InvalidHistory(
            f"{found.what}, and nothing tells the records of one time and name apart; give a table with a column for each"
        )
    beside = [each.name for each in columns if each.name not in (name.name, *values, time, *entity)]
    if beside:
        notes.append(f"left out {', '.join(map(repr, beside))}: of a row's values only what their name says counts")
    every, slowest = _usual(float(paces.min())), float(paces.max())
    behind = table.groupby("owner")["at"].cummax() - table["at"]
    if float((behind > every * 1e6).mean()) > _BEHIND:
        raise InvalidHistory(
            f"{found.what}, and the records do not follow the time: the values of one stand behind all of another; sort them by "
            f"{time!r}, so that those of one time come together"
        )
    keys: dict[str, Any] = {"long": found.keys, "every": _written(every)}
    notes.append(f"{found.what}; those of one entity and {keys['every']} are one row, at the tick's beginning")
    if slowest > _SLOWER * every:
        keys["age"] = _written(2 * _usual(slowest))
        slow = ", ".join(map(str, paces.index[paces > _SLOWER * every][:3]))
        notes.append(f"age: {slow} come more rarely; a value up to {keys['age']} old stands for those that do not come")
    parts = [
        replace(resampled([value], name.texts == kind, decimal_commas)[0], name=found.part(kind, value), inside=False)
        for kind in kinds
        for value in found.values
    ]
    parts = [part for part in parts if part.texts.notna().any()]
    return Alignable(parts, entity, keys, tuple(notes))


def _follows(column: Column, name: Column) -> bool:
    """Whether a column says something of what is measured, such as its unit, and so nothing of whose value it is."""
    return column.distinct > 1 and bool((column.texts.groupby(name.texts).nunique() == 1).all())


def key_note(entity: tuple[str, ...]) -> str:
    """What the values of one row ask of a topic, which a sample does not show."""
    if not entity:
        return "the topic must have one partition: all values make rows of one entity, and rows are made within a partition"
    key = " and ".join(map(repr, entity))
    return (
        f"the topic's messages must be keyed by {key}, or by something it belongs to, so that all values of an entity are in one"
        " partition: rows are made within a partition. 'latentwatch doctor' looks whether it is so"
    )


def _usual(seconds: float) -> float:
    """A pace that people choose, where one is near."""
    near = min(_PACES, key=lambda pace: abs(pace - seconds) / pace)
    return near if abs(near - seconds) <= _NEAR * near else max(round(seconds, 3), 0.001)


def _written(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))
