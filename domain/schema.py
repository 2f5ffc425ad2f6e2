"""What a record of a monitor looks like: its features, their types, and where time and entity stand."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from latentwatch.domain.differences import Differences
from latentwatch.domain.durations import Duration, format_duration
from latentwatch.domain.field_settings import Encoding, Missing, UnitSize, Written, as_missing, as_sizes, telling
from latentwatch.domain.importance import IMPORTANCE, Importance
from latentwatch.domain.shape import Condition, FileEntity, LongForm


class FeatureType(StrEnum):
    """How a feature is read and compared."""

    NUMERIC = "numeric"
    """A real number; missing allowed."""
    BOOLEAN = "boolean"
    """True or false; held as 1 and 0 in the numeric columns."""
    COUNTER = "counter"
    """A number that only grows and begins again where its machine does; judged by its rate a second."""
    CYCLIC = "cyclic"
    """A number that wraps round at `period`, such as an hour or an angle."""
    CATEGORY = "category"
    """One of a set of words; an unseen word is information, not an error."""
    TEXT = "text"
    """Free text."""


class Feature(Importance):
    """One feature. In YAML either its type alone (`Pressure: numeric`) or a mapping with these fields.

    Those of `Importance` act in the decision about a scored record, and no model learns of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: FeatureType
    """How it is read and compared."""
    unit: str = ""
    """Shown beside its values. Where text has it beside the number, as in 24.4% or $7, it is read as the number."""
    units: tuple[UnitSize, ...] = ()
    """What text may have in the place of `unit`, and how many of those it is: `{KiB: 1024}`, or of bare numbers `{K: 1000}`."""
    path: str = ""
    """Where it stands in a nested record, dots between keys; empty means the feature's own name."""
    period: float | None = Field(default=None, gt=0)
    """Only for cyclic features: the value at which it starts again."""
    missing: Missing = ()
    """Values that mean "no value", beside those of the whole record."""
    written: Written | None = None
    """How text writes its numbers, where not as the whole record's."""
    fixed: bool = False
    """Whether nobody can change it, such as the weather: what would calm an alert is looked for among the others."""

    @field_validator("missing", mode="before")
    @classmethod
    def _missing_as_list(cls, value: Any) -> Any:
        return as_missing(value)

    @field_validator("units", mode="before")
    @classmethod
    def _units_from_mapping(cls, value: Any) -> Any:
        return as_sizes(value)

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped = telling(handler(self), ("missing", "written", "units", "fixed", *IMPORTANCE))
        return {**dumped, "units": {each.unit: each.size for each in self.units}} if "units" in dumped else dumped

    @model_validator(mode="after")
    def _period_belongs_to_cyclic(self) -> Self:
        if (self.type is FeatureType.CYCLIC) != (self.period is not None):
            raise ValueError(f"feature {self.name!r}: 'period' is needed for a cyclic feature and only there")
        said = [name for name in IMPORTANCE if getattr(self, name) is not None]
        if not self.is_number and said == ["weight"]:
            return self
        if said and self.type not in (FeatureType.NUMERIC, FeatureType.COUNTER):
            raise ValueError(f"feature {self.name!r}: {said[0]!r} is for numeric features; remove it here")
        return self

    @property
    def reading(self) -> tuple[str | float | None, ...]:
        """How it is read. Two features with the same reading get the same values of what both can read."""
        written = (f"written {self.written}",) if self.written else ()
        units = sorted(
            f"{each.unit} is {each.size:g} {self.unit}" for each in self.units
        )  # a stored model has them in another order
        return self.type.value, self.path or self.name, self.period, *self.missing, *written, *units

    @property
    def is_number(self) -> bool:
        """Whether the feature lives in a batch's numeric matrix."""
        return self.type not in (FeatureType.CATEGORY, FeatureType.TEXT)


class RecordSchema(BaseModel):
    """The typed shape of a monitor's records. Without an `entity` every record belongs to one with an empty name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: str | None = None
    """The field that holds the time; without one a record counts at its arrival."""
    day_first: bool | None = None
    """Of times such as 03/04/2026, whether the day comes before the month; None refuses them, as nobody can know."""
    entity: str | tuple[str, ...] | FileEntity | None = None
    """A field; several, whose values name an entity together; or the file."""
    where: tuple[Condition, ...] = ()
    """What a record must say to be the monitor's."""
    arrays: str | bool = False
    """Where a message holds an array of records: true where it is one, else the path to it. For JSON."""
    collector: Literal["senml", "otlp", "collectd"] | None = None
    """Whose messages hold several measurements of which each source and time make one record. For JSON."""
    unpack: str | tuple[str, ...] = ()
    """Fields whose text writes an object, which stands in the text's place then: of `unpack: payload`, `payload.t` is a field. For JSON."""
    encoding: Encoding | None = None
    """What files of text are in, such as cp1252, where not UTF-8 and no byte order mark says it. A topic's text is UTF-8."""
    missing: Missing = ()
    """Values of any feature that mean "no value", beside empty cells, null and the common words."""
    written: Written | None = None
    """How text writes numbers: `"1,234.5"` has commas between thousands; by default nothing parts them, and a point is the decimal sign, or in CSV that is not parted by commas also a comma."""
    timezone: str = "UTC"
    """By whose clock its days and weeks repeat: a name of the IANA database, such as Europe/Berlin. Acts from the next training."""
    long: LongForm | None = None
    """Where each message holds one value: those of an entity and tick make one row."""
    every: Duration | None = None
    """The length of a tick, with `long`."""
    age: Duration | None = None
    """How old a value of an earlier tick may be to stand for one that did not come; None takes none over."""
    features: tuple[Feature, ...] = Field(min_length=1)
    """The fields that are scored, each by its name."""

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"no time zone is called {value!r}; name one of the IANA database, such as Europe/Berlin"
            ) from None
        return value

    @field_validator("entity")
    @classmethod
    def _entity_has_fields(cls, value: Any) -> Any:
        if isinstance(value, tuple) and (not value or len(set(value)) < len(value)):
            raise ValueError("name each field of the entity once, at least one")
        return value

    @field_validator("where", mode="before")
    @classmethod
    def _where_from_mapping(cls, value: Any) -> Any:
        return [{"field": name, "values": of} for name, of in value.items()] if isinstance(value, Mapping) else value

    @field_validator("missing", mode="before")
    @classmethod
    def _missing_as_list(cls, value: Any) -> Any:
        return as_missing(value)

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped = telling(
            handler(self),
            ("encoding", "missing", "written", "where", "arrays", "collector", "unpack", "long", "every", "age"),
        )
        if self.day_first is None:  # false says that the month comes first
            dumped.pop("day_first", None)
        if self.where and "where" in dumped:
            dumped["where"] = {
                each.field: each.values[0] if len(each.values) == 1 else list(each.values) for each in self.where
            }
        return dumped

    @field_validator("features", mode="before")
    @classmethod
    def _features_from_mapping(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return [
            {"name": name, **(spec if isinstance(spec, Mapping) else {"type": spec})} for name, spec in value.items()
        ]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [*(feature.name for feature in self.features), *filter(None, (self.time,)), *self.entity_fields]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"named more than once: {', '.join(doubled)}; give each field one role")
        return self

    @model_validator(mode="after")
    def _day_first_belongs_to_a_time(self) -> Self:
        if self.day_first is not None and self.time is None:
            raise ValueError("'day_first' belongs to a time; name its field with 'time', or remove it")
        return self

    @model_validator(mode="after")
    def _counters_have_a_time(self) -> Self:
        if self.counters and self.time is None:
            raise ValueError(
                f"{self.counters[0]!r} is a counter, whose rate a second needs the record's 'time'; name it, or leave the counter out"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_take_messages_apart(self) -> Self:
        if self.collector and (self.arrays or self.unpack):
            raise ValueError(f"give {'arrays' if self.arrays else 'unpack'!r} or 'collector', not both")
        if (self.long is None) != (self.every is None) or (self.age is not None and self.long is None):
            raise ValueError(
                "'long' needs 'every', the length of a tick such as 60s, and 'every' and 'age' need 'long'"
            )
        if self.long is not None and (self.time is None or self.every == timedelta(0)):
            raise ValueError("'long' needs the record's 'time', and an 'every' of more than 0s")
        if self.arrays == "":
            raise ValueError("'arrays' names a path, or is true where the message itself is the array")
        return self

    @property
    def takes_apart(self) -> bool:
        """Whether a message may hold several records, or one that is not written as it is read."""
        return bool(self.arrays or self.collector or self.unpack)

    @property
    def text_objects(self) -> tuple[str, ...]:
        """The fields whose text writes an object."""
        return (self.unpack,) if isinstance(self.unpack, str) else self.unpack

    @cached_property
    def entity_fields(self) -> tuple[str, ...]:
        """The fields whose values name an entity; none where all records belong to one, or the file names it."""
        return (self.entity,) if isinstance(self.entity, str) else self.entity if isinstance(self.entity, tuple) else ()

    @property
    def is_shaped(self) -> bool:
        """Whether a record takes more than reading a message's fields."""
        return bool(self.where) or isinstance(self.entity, tuple)

    @property
    def entity_is_file(self) -> bool:
        """Whether each file is an entity."""
        return isinstance(self.entity, FileEntity)

    def missing_words(self, name: str) -> frozenset[str]:
        """How a feature's cell may spell that it has no value, beside the common words.

        >>> schema = RecordSchema.model_validate({"missing": [-200], "features": {"x": {"type": "numeric", "missing": ["n.v."]}}})
        >>> sorted(schema.missing_words("x")), schema.missing_numbers("x")
        (['-200', 'n.v.'], (-200.0,))
        """
        return frozenset(f"{value:g}" if isinstance(value, float) else value for value in self._missing_of(name))

    def missing_numbers(self, name: str) -> tuple[float, ...]:
        """The numbers that stand for no value in a feature."""
        return tuple(value for value in self._missing_of(name) if isinstance(value, float))

    def written_of(self, name: str) -> Written | None:
        """How text writes a feature's numbers, where the monitor says it."""
        return self._by_name[name].written or self.written

    def _missing_of(self, name: str) -> Missing:
        return self.missing + self._by_name[name].missing

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns of `Batch.numbers`, in order."""
        return tuple(feature.name for feature in self.features if feature.is_number)

    @cached_property
    def counters(self) -> tuple[str, ...]:
        """Those of `numbers` that are judged by their rate."""
        return tuple(feature.name for feature in self.features if feature.type is FeatureType.COUNTER)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Names of the columns of `Batch.categories`, in order."""
        return tuple(feature.name for feature in self.features if feature.type is FeatureType.CATEGORY)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Names of the columns of `Batch.texts`, in order."""
        return tuple(feature.name for feature in self.features if feature.type is FeatureType.TEXT)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every feature's name, in the order of the monitor file."""
        return tuple(feature.name for feature in self.features)

    def feature(self, name: str) -> Feature:
        """The feature of that name; KeyError where there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @property
    def _further(self) -> tuple[tuple[str, Any], ...]:
        """How records are read beyond their fields, by the key in the monitor."""
        where = tuple((each.field, *each.values) for each in self.where)
        return (
            ("day_first", self.day_first),
            ("encoding", self.encoding),
            ("missing", self.missing),
            ("written", self.written),
            ("where", where),
            ("arrays", self.arrays or None),
            ("collector", self.collector),
            ("unpack", self.text_objects),
            ("long", self.long and self.long.reading),
            ("every", self.every and format_duration(self.every)),
            ("age", self.age and format_duration(self.age)),
        )

    def fingerprint(self) -> str:
        """A short hash of what scoring reads: time, entity, and each feature's name and reading, in order.

        What acts on pages or in the decision alone, such as a unit or a limit, is outside, and so is any key that a later
        version may add.

        >>> bare = RecordSchema.model_validate({"features": {"p": "numeric"}})
        >>> told = RecordSchema.model_validate({"features": {"p": {"type": "numeric", "unit": "bar", "path": "p"}}})
        >>> bare.fingerprint() == told.fingerprint()
        True
        """
        read = [self.time, self.entity, *([feature.name, *feature.reading] for feature in self.features)]
        # What an earlier version could not say is part of it only where it is said: a context outlives the upgrade.
        read += [[key, value] for key, value in self._further if value not in ((), None)]
        return hashlib.sha256(json.dumps(read, default=BaseModel.model_dump).encode()).hexdigest()[:16]

    def compared_with(self, now: "RecordSchema") -> Differences:
        """How a monitor's fields, as they are now, differ from these, which a model was trained on.

        >>> trained = RecordSchema.model_validate({"time": "at", "features": {"x": "numeric", "y": "numeric"}})
        >>> now = RecordSchema.model_validate({"time": "at", "features": {"y": "category", "z": "numeric"}})
        >>> trained.compared_with(now)
        Differences(lost=('x',), changed=("'y' is category now and was numeric",), added=('z',))
        """
        changed = [
            f"{role} is {_said(getattr(now, role))} now and was {_said(getattr(self, role))}"
            for role in ("time", "entity")
            if getattr(now, role) != getattr(self, role)
        ]
        changed += [
            f"{key} is {_said(value)} now and was {_said(was)}"
            for (key, was), (_, value) in zip(self._further, now._further, strict=True)
            if value != was
        ]
        common = [feature for feature in self.features if feature.name in now._by_name]
        changed += [
            f"{feature.name!r} is {_in_words(now.feature(feature.name))} now and was {_in_words(feature)}"
            for feature in common
            if now.feature(feature.name).reading != feature.reading
        ]
        return Differences(
            lost=tuple(name for name in self.names if name not in now._by_name),
            changed=tuple(changed),
            added=tuple(name for name in now.names if name not in self._by_name),
        )


def _in_words(feature: Feature) -> str:
    period = "" if feature.period is None else f" with period {feature.period:g}"
    place = f" at {feature.path}" if feature.path and feature.path != feature.name else ""
    missing = f" without {_said(feature.missing)}" if feature.missing else ""
    written = f" written {feature.written}" if feature.written else ""
    units = f" with {', '.join(each.unit for each in feature.units)} for units" if feature.units else ""
    return f"{feature.type.value}{period}{place}{missing}{written}{units}"


def _said(value: Any) -> str:
    """A value of the monitor file as people wrote it."""
    if isinstance(value, FileEntity):
        return "the file"
    return f"[{', '.join(map(_said, value))}]" if isinstance(value, tuple) else repr(value)
