"""What a record of a monitor looks like: its features, their types, and where time and entity stand."""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class FeatureType(StrEnum):
    """How a feature is read and compared."""

    NUMERIC = "numeric"
    """A real number; missing allowed."""
    BOOLEAN = "boolean"
    """True or false; held as 1 and 0 in the numeric columns."""
    CYCLIC = "cyclic"
    """A number that wraps round at `period`, such as an hour or an angle."""
    CATEGORY = "category"
    """One of a set of words; an unseen word is information, not an error."""
    TEXT = "text"
    """Free text."""


class Feature(BaseModel):
    """One feature. In YAML either its type alone (`Pressure: numeric`) or a mapping with these fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: FeatureType
    unit: str = ""
    path: str = ""
    """Where it stands in a nested record, dots between keys; empty means the feature's own name."""
    period: float | None = Field(default=None, gt=0)
    """Only for cyclic features: the value at which it starts again."""

    @model_validator(mode="after")
    def _period_belongs_to_cyclic(self) -> Self:
        if (self.type is FeatureType.CYCLIC) != (self.period is not None):
            raise ValueError(f"feature {self.name!r}: 'period' is needed for a cyclic feature and only there")
        return self

    @property
    def is_number(self) -> bool:
        """Whether the feature lives in a batch's numeric matrix."""
        return self.type in (FeatureType.NUMERIC, FeatureType.BOOLEAN, FeatureType.CYCLIC)


class RecordSchema(BaseModel):
    """The typed shape of a monitor's records.

    `time` and `entity` name the fields that hold them; either may be absent: then the time is when the record
    arrived, and every record belongs to one entity with an empty name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: str | None = None
    entity: str | None = None
    features: tuple[Feature, ...] = Field(min_length=1)

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
        names = [feature.name for feature in self.features] + [name for name in (self.time, self.entity) if name]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"named more than once: {', '.join(doubled)}; give each field one role")
        return self

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns of `Batch.numbers`, in order."""
        return tuple(feature.name for feature in self.features if feature.is_number)

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

    def fingerprint(self) -> str:
        """A short hash of the whole schema; a bundle serves only the schema it was trained for."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
