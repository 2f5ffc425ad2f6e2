"""Exceptions: what people say is normal although a model finds it strange, so that it raises no alarm any more.

An exception takes away a reason, not a record: a record that it covers is scored again as if that value, place or level were
as usual, and what stays strange still alarms. No model learns of it, so that it acts at once and is undone at once. It ends
by the record's own time, so that records scored again get the answer they had.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from latentwatch.domain.clock import to_microseconds
from latentwatch.domain.groups import GroupedBy, GroupName, field_values, hours_of
from latentwatch.domain.record import Batch

_HOUR_MICROSECONDS = 3_600_000_000
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    entity: str | None = None
    """The entity it is about; None for all."""

    def _of_entity(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record is of the entity that is meant."""
        return np.ones(len(batch), bool) if self.entity is None else np.asarray(batch.entities == self.entity, bool)

    @property
    def _whose(self) -> str:
        return f" of {self.entity}" if self.entity else ""


class NormalValue(_Form):
    """A value of a category is normal."""

    form: Literal["value"] = "value"
    feature: str
    value: str
    instead: str | None = None
    """The usual value that a record with a past is remembered by in its place; None is a missing value."""

    @property
    def features(self) -> tuple[str, ...]:
        """What it is about."""
        return (self.feature,)

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record shows the value. The batch has the feature."""
        shown = batch.categories[:, batch.schema.categories.index(self.feature)]
        return np.asarray(self._of_entity(batch) & (shown == self.value), bool)

    @property
    def in_words(self) -> str:
        """A clause for people."""
        return f"{self.feature} {self.value}{self._whose} is normal"


class Side(BaseModel):
    """The range of one number of a place, both ends in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"{self.feature}: the range from {self.low:g} to {self.high:g} is empty")
        return self


class NormalPlace(_Form):
    """Numbers that lie in these ranges together are normal, where they are the same record's."""

    form: Literal["place"] = "place"
    sides: tuple[Side, ...] = Field(min_length=1)

    @property
    def features(self) -> tuple[str, ...]:
        """What it is about."""
        return tuple(side.feature for side in self.sides)

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record lies in all ranges. The batch has the features."""
        inside = self._of_entity(batch)
        for side in self.sides:
            shown = batch.numbers[:, batch.schema.numbers.index(side.feature)]
            inside = inside & (shown >= np.float32(side.low)) & (shown <= np.float32(side.high))
        return inside

    @property
    def in_words(self) -> str:
        """A clause for people."""
        ranges = " and ".join(f"{side.feature} from {side.low:.5g} to {side.high:.5g}" for side in self.sides)
        return f"{ranges}{self._whose} is normal"


class NormalLevel(_Form):
    """A number stands higher or lower than it did, from some moment on."""

    form: Literal["level"] = "level"
    feature: str
    shift: float = Field(allow_inf_nan=False)
    """How much higher than before, in its unit, of a counter in its unit a second; negative where it is lower."""
    since: datetime
    """The event time from which on it does."""

    @model_validator(mode="after")
    def _has_a_shift_and_a_zone(self) -> Self:
        if self.shift == 0:
            raise ValueError("a level that has not moved needs no exception; give a shift other than 0")
        if self.since.tzinfo is None:
            raise ValueError("'since' needs its time zone, such as 2026-01-31T09:23:00Z")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """What it is about."""
        return (self.feature,)

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record was made since."""
        return np.asarray(self._of_entity(batch) & (batch.times >= to_microseconds(self.since)), bool)

    @property
    def in_words(self) -> str:
        """A clause for people."""
        return f"{self.feature}{self._whose} is {self.shift:+.5g} since {self.since:%Y-%m-%d %H:%M:%S}"


class NormalHour(_Form):
    """In an hour of the week some features may be as they like."""

    form: Literal["hour"] = "hour"
    weekday: int = Field(ge=0, le=6)
    """Monday is 0."""
    hour: int = Field(ge=0, le=23)
    timezone: str = "UTC"
    """By whose clock."""
    about: tuple[str, ...] = Field(min_length=1)

    @property
    def features(self) -> tuple[str, ...]:
        """What it is about."""
        return self.about

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record was made in that hour."""
        hours, owners = np.unique(batch.times // _HOUR_MICROSECONDS, return_inverse=True)
        zone = ZoneInfo(self.timezone)
        wanted = (self.weekday, self.hour)
        # Not every zone is whole hours off UTC: a UTC hour may hold the ends of two local ones, so each quarter is asked.
        starts = [[self._local(hour, part, zone) == wanted for part in range(4)] for hour in hours.tolist()]
        quarter = (batch.times % _HOUR_MICROSECONDS) // (_HOUR_MICROSECONDS // 4)
        table = np.array(starts, bool).reshape(len(hours), 4)
        return np.asarray(self._of_entity(batch) & table[owners.reshape(-1), quarter], bool)

    @staticmethod
    def _local(hour: int, quarter: int, zone: ZoneInfo) -> tuple[int, int]:
        moment = datetime.fromtimestamp(hour * 3600 + quarter * 900, zone)
        return moment.weekday(), moment.hour

    @property
    def in_words(self) -> str:
        """A clause for people."""
        names = ", ".join(self.about)
        clock = f"{_DAYS[self.weekday]} {self.hour:02}:00 to {(self.hour + 1) % 24:02}:00 {self.timezone}"
        return f"{names}{self._whose} may be as they like on {clock}"


class NormalDeviation(_Form):
    """Small deviations of a number from what is expected do not count."""

    form: Literal["deviation"] = "deviation"
    feature: str
    least: float = Field(gt=0, allow_inf_nan=False)
    """The smallest deviation that counts, in its unit."""

    @property
    def features(self) -> tuple[str, ...]:
        """What it is about."""
        return (self.feature,)

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record may be covered; its deviation is for the detector to tell."""
        return self._of_entity(batch)

    @property
    def in_words(self) -> str:
        """A clause for people."""
        return f"deviations of {self.feature}{self._whose} below {self.least:.5g} do not count"


class KeepsAlarming(_Form):
    """A lasting change of an entity is no new normal: no exception, but the answer that it goes on alarming."""

    form: Literal["keep"] = "keep"
    since: datetime
    """The event time from which on it does."""

    @property
    def features(self) -> tuple[str, ...]:
        """Nothing is left out."""
        return ()

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record was made since."""
        return np.asarray(self._of_entity(batch) & (batch.times >= to_microseconds(self.since)), bool)

    @property
    def in_words(self) -> str:
        """A clause for people."""
        return f"what has changed{self._whose} alarms for as long as it lasts, from {self.since:%Y-%m-%d %H:%M} UTC on"


class GroupThreshold(_Form):
    """A group of records alarms from another surprise on than the rest: one entity, one hour of the day, or one value of a
    field. Nothing of it is normal by that; where several are about a record, the largest shift counts."""

    form: Literal["threshold"] = "threshold"
    shift: float = Field(ge=-3, le=10, allow_inf_nan=False)
    """How much higher than the others' its threshold is; negative where it is lower."""
    by: GroupedBy
    field: str = ""
    value: str
    """As `GroupName` has them."""
    timezone: str = "UTC"
    """By whose clock, of an hour."""

    @model_validator(mode="after")
    def _is_a_group(self) -> Self:
        if self.shift == 0:
            raise ValueError("a threshold that is as the others' needs no exception; give a shift other than 0")
        if (self.by is GroupedBy.FIELD) != bool(self.field):
            raise ValueError("a group by a field names it, and no other group does")
        return self

    @property
    def group(self) -> GroupName:
        """Whose threshold it is."""
        return GroupName(self.by, self.field, self.value)

    @property
    def features(self) -> tuple[str, ...]:
        """What tells the group; nothing is left out of a score."""
        return (self.field,) if self.field else ()

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record is of the group."""
        if self.by is GroupedBy.ENTITY:
            return np.asarray(batch.entities == self.value, bool)
        shown = hours_of(batch, self.timezone) if self.by is GroupedBy.HOUR else field_values(batch, self.field)
        return np.zeros(len(batch), bool) if shown is None else np.asarray(shown == self.value, bool)

    @property
    def in_words(self) -> str:
        """A clause for people."""
        side = "higher" if self.shift > 0 else "lower"
        clock = f" {self.timezone}" if self.by is GroupedBy.HOUR else ""
        return f"the threshold of {self.group.in_words}{clock} is {abs(self.shift):.2g} {side} than the others'"


Form: TypeAlias = Annotated[
    NormalValue | NormalPlace | NormalLevel | NormalHour | NormalDeviation | KeepsAlarming | GroupThreshold,
    Field(discriminator="form"),
]
_FORMS: TypeAdapter[Form] = TypeAdapter(Form)


def form_to_json(form: Form) -> dict[str, Any]:
    """What is stored of a form."""
    return form.model_dump(mode="json")


def form_from_json(stored: Any) -> Form:
    """The inverse. Raises pydantic's ValidationError for what is no form."""
    return _FORMS.validate_python(stored)


@dataclass(frozen=True, slots=True)
class InForce:
    """An exception that acts."""

    id: int
    form: Form
    until: datetime | None = None
    """The event time from which on it does not act any more; None for ever."""

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether it is about a record; about none where the records lack what it is about."""
        known = {*batch.schema.numbers, *batch.schema.categories}
        if not known.issuperset(self.form.features):
            return np.zeros(len(batch), bool)
        covered = self.form.covers(batch)
        return covered if self.until is None else covered & (batch.times < to_microseconds(self.until))


@dataclass(frozen=True, slots=True)
class Exceptions:
    """A monitor's exceptions, those made first first."""

    each: tuple[InForce, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.each)

    def __iter__(self) -> Iterator[InForce]:
        return iter(self.each)

    def thresholds(self, threshold: float, batch: Batch) -> NDArray[np.float64]:
        """[N] the surprise from which each record is flagged, where `threshold` is the one of records of no group."""
        shifts = np.zeros(len(batch))
        for one in self.each:
            if isinstance(one.form, GroupThreshold):
                larger = one.covers(batch) & (abs(one.form.shift) > np.abs(shifts))
                shifts[larger] = one.form.shift
        return threshold + shifts

    def that_raise(self, row: Batch) -> Iterator[int]:
        """Of one record, the exceptions that raise its threshold."""
        for one in self.each:
            if isinstance(one.form, GroupThreshold) and one.form.shift > 0 and one.covers(row)[0]:
                yield one.id


NO_EXCEPTIONS = Exceptions()
"""Nothing is excepted."""
