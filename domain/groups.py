"""Groups of records: of one entity, of one hour of the day, or with one value of a field.

What is promised of all records is asked of each group (`latentwatch.review.segments`), and a group may have a threshold of its
own (`latentwatch.domain.exceptions`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch, Value

MOST_FIELDS = 20
"""Categories by which records are grouped where the monitor names no segments."""
MISSING = "missing"
OTHERS = "others"
"""The group of those beyond the first few hundred names of a grouping."""
_HOUR_MICROSECONDS = 3_600_000_000


class GroupedBy(StrEnum):
    """What the records of a group share."""

    ENTITY = "entity"
    HOUR = "hour"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class GroupName:
    """What tells a group from others."""

    by: GroupedBy
    field: str
    """The field whose value they share; empty where they share something else."""
    value: str
    """An entity's name, an hour as two digits, or a field's value."""

    @property
    def in_words(self) -> str:
        """For people.

        >>> GroupName(GroupedBy.HOUR, "", "07").in_words, GroupName(GroupedBy.FIELD, "shift", "night").in_words
        ('07:00 to 08:00', 'shift night')
        """
        if self.by is GroupedBy.HOUR:
            return f"{self.value}:00 to {(int(self.value) + 1) % 24:02}:00"
        return f"{self.field} {self.value}" if self.by is GroupedBy.FIELD else self.value


def groupings(
    batch: Batch, segments: Sequence[str], timezone: str
) -> Iterator[tuple[GroupedBy, str, NDArray[np.object_]]]:
    """Every way in which records are grouped: by what, by which field, and [N] the value of each record.

    Hours are those of a clock in `timezone`. Fields are `segments`, or the first categories where none are named.
    """
    if batch.schema.entity is not None:
        yield GroupedBy.ENTITY, "", batch.entities
    if batch.schema.time is not None:
        yield GroupedBy.HOUR, "", hours_of(batch, timezone)
    for field in segments or batch.schema.categories[:MOST_FIELDS]:
        values = field_values(batch, field)
        if values is not None:
            yield GroupedBy.FIELD, field, values


def field_values(batch: Batch, field: str) -> NDArray[np.object_] | None:
    """[N] what records show of a category or number, as a group is called; None where they have no such field."""
    if field in batch.schema.categories:
        shown = batch.categories[:, batch.schema.categories.index(field)]
        return np.array([value or MISSING for value in shown.tolist()], object)
    if field in batch.schema.numbers:
        numbers = batch.numbers[:, batch.schema.numbers.index(field)].tolist()
        return np.array([value_name(number) for number in numbers], object)
    return None


def value_name(value: Value) -> str:
    """What a group of records with this value is called."""
    if isinstance(value, str):
        return value
    return MISSING if value is None or value != value else f"{value:g}"


def hours_of(batch: Batch, timezone: str) -> NDArray[np.object_]:
    """[N] the hour of the day of each record, as two digits."""
    # Not every zone is whole hours off UTC: quarters of an hour are looked up.
    quarters, owners = np.unique(batch.times // (_HOUR_MICROSECONDS // 4), return_inverse=True)
    names = np.array([_hour(quarter, timezone) for quarter in quarters.tolist()], object)
    return np.asarray(names[owners.reshape(-1)], object)


def hour_of(moment: datetime, timezone: str) -> str:
    """The hour of the day by a clock in a zone, as two digits."""
    return f"{moment.astimezone(_zone(timezone)).hour:02}"


@lru_cache(4096)
def _hour(quarter: int, timezone: str) -> str:
    return f"{datetime.fromtimestamp(quarter * 900, _zone(timezone)).hour:02}"


@lru_cache(16)
def _zone(timezone: str) -> ZoneInfo:
    return ZoneInfo(timezone)
