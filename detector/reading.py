"""How an estimator reads X: learned once from training rows, the same for all rows after.

X [N, F], groups, times -> Batch; explanations back into the units of X
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd

from latentwatch.detector.groups_and_times import Role, Roles, check_order, take_roles
from latentwatch.detector.tables import (
    all_numbers,
    batch_of_array,
    batch_of_frame,
    not_a_number,
    schema_of_array,
    schema_of_frame,
    select_features,
    shift_of,
)
from latentwatch.domain.record import Batch, Value, blank_missing
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Neighbour

Validate: TypeAlias = Callable[[Any, bool], Any]
"""scikit-learn's checks of X; told whether it must be made an array of numbers, as which it comes back then."""

_NAMELESS_TIMES = "(times)"
"""What the field of times is called that came as an array; no column is asked for by it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What X holds."""

    schema: RecordSchema
    """Its features; time and entity are the columns that hold times and groups, where these have names."""
    shift: tuple[float, ...] | None
    """[F] taken off numbers before they are rounded to single precision; None where X held other things than numbers."""
    grouped: bool | None
    """Whether rows have groups; None where both will do."""
    timed: bool | None
    """The same for times."""
    by_name: bool = False
    """Whether a frame's columns are found by name and others left aside, as the fields of a record are."""

    @classmethod
    def learn(cls, X: Any, groups: Role, times: Role, validate: Validate) -> tuple[Self, Batch]:
        """From training rows. Raises ValueError where they cannot be used, naming the column."""
        features, roles = take_roles(X, groups, times)
        shift = None
        if isinstance(features, pd.DataFrame) and not features.columns.is_unique:
            doubled = list(dict.fromkeys(map(str, features.columns[features.columns.duplicated()])))
            raise ValueError(f"columns named more than once: {', '.join(map(repr, doubled))}; rename them")
        if not isinstance(features, pd.DataFrame):
            values = validate(features, True)
            shift = shift_of(values)
            batch = batch_of_array(values, schema_of_array([f"x{at}" for at in range(values.shape[1])]), shift)
        else:
            plainly = all_numbers(features)
            values = validate(features, plainly)
            if not len(features):
                raise ValueError("there are no rows to learn from")
            found = schema_of_frame(features, roles.entities, roles.times)
            plain = schema_of_array(list(map(str, features.columns)))
            if plainly and found == plain:
                shift = shift_of(values)
                batch = batch_of_array(values, plain, shift)
            else:
                batch = batch_of_frame(features, found)
        entity, time = (role if isinstance(role, str) else None for role in (groups, times))
        schema = RecordSchema(time=time, entity=entity, timezone=roles.timezone, features=batch.schema.features)
        known = None if shift is None else tuple(shift.tolist())
        reading = cls(schema, known, groups is not None, times is not None)
        # That there are times is for training to know, also where no column names them.
        named = schema if times is None else with_roles(schema, time or _NAMELESS_TIMES, entity)
        return reading, _with_roles(replace(batch, schema=named), roles)

    @classmethod
    def of_schema(cls, schema: RecordSchema) -> Self:
        """As the records of a monitor: fields by name or path, groups and times in the columns that the schema names."""
        if schema.time == _NAMELESS_TIMES:
            return replace(cls.of_schema(with_roles(schema, None, schema.entity)), timed=True)
        grouped, timed = (None if role is None else True for role in (schema.entity, schema.time))
        numbers = len(schema.numbers) == len(schema.names)
        return cls(schema, (0.0,) * len(schema.names) if numbers else None, grouped, timed, by_name=True)

    def batch(self, X: Any, groups: Role, times: Role, windowed: bool, validate: Validate) -> Batch:
        """Rows as they were learned. Raises ValueError where they are of another kind, where groups or times are lacking, or
        given and were not then, and, `windowed`, where rows are not in order of time."""
        if groups is None and isinstance(self.schema.entity, str):
            groups = self.schema.entity
        if times is None and (windowed or _holds(X, self.schema.time)):
            times = self.schema.time  # what is scored on its own has no need of its time
        if groups is None and times is None and not self.grouped and not (self.timed and windowed):
            return self._features(X, validate)
        for name, role, learned in (("groups", groups, self.grouped), ("times", times, self.timed and windowed)):
            if learned is not None and learned != (role is not None) and (name == "groups" or windowed):
                asked = f"give {name} as well" if learned else f"leave {name} out, or learn with them"
                raise ValueError(f"the detector learned with{'' if learned else 'out'} {name}; {asked}")
        features, roles = take_roles(X, groups, times, self.schema.day_first)
        if isinstance(features, pd.DataFrame):
            known = (*self.schema.entity_fields, self.schema.time)
            named = [name for name in known if name in features.columns]
            features = features.drop(columns=named) if named else features
        if windowed:
            check_order(roles, len(features))
        return _with_roles(self._features(features, validate), roles)

    def _features(self, X: Any, validate: Validate) -> Batch:
        if not self.by_name:
            return self._columns(X, validate)
        if isinstance(X, pd.DataFrame):
            batch = batch_of_frame(select_features(X, self.schema), self.schema)
        else:
            batch = self._columns(X, validate)
        blank_missing(self.schema, batch.numbers, batch.categories, batch.texts)
        return batch

    def _columns(self, X: Any, validate: Validate) -> Batch:
        if self.shift is not None:
            wrong = not_a_number(X) if isinstance(X, pd.DataFrame) and not all_numbers(X) else None
            if wrong is not None:
                raise ValueError(
                    f"column {wrong[0]!r} held numbers when the detector learned, and now {wrong[1]!r}; make it numeric,"
                    f" as pd.to_numeric(X[{wrong[0]!r}], errors='coerce') does"
                )
            return batch_of_array(validate(X, True), self.schema, np.array(self.shift))
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                "the detector learned from a DataFrame with columns that are not numbers; give one like it"
            )
        validate(X, False)
        return batch_of_frame(X, self.schema)

    def explanation(self, found: Explanation) -> Explanation:
        """The same in the units of X."""
        neighbours = tuple(Neighbour(near.distance, self.values(near.values)) for near in found.neighbours)
        return replace(found, expected=self.values(found.expected), neighbours=neighbours)

    @property
    def moved(self) -> list[str]:
        """The columns from which a level is taken before they are rounded to single precision."""
        shift = (0.0,) * len(self.schema.numbers) if self.shift is None else self.shift
        return [name for name, level in zip(self.schema.numbers, shift, strict=True) if level]

    def values(self, row: dict[str, Value]) -> dict[str, Value]:
        """A record's values in the units of X."""
        if self.shift is None or not any(self.shift):
            return row
        shift = dict(zip(self.schema.numbers, self.shift, strict=True))
        return {
            name: value + shift[name] if isinstance(value, float) and name in shift else value
            for name, value in row.items()
        }

    def span(self, batch: Batch) -> tuple[int, int] | None:
        """When the first and the last of rows were taken, microseconds since 1970 UTC; None where nobody said."""
        return (int(batch.times.min()), int(batch.times.max())) if self.timed else None


def with_roles(schema: RecordSchema, time: str | None, entity: Any) -> RecordSchema:
    """The same with other fields for times and groups."""
    parts = {name: getattr(schema, name) for name in RecordSchema.model_fields}
    return RecordSchema(**{**parts, "time": time, "entity": entity})


def _holds(X: Any, name: str | None) -> bool:
    return name is not None and isinstance(X, pd.DataFrame) and name in X.columns


def _with_roles(batch: Batch, roles: Roles) -> Batch:
    known: dict[str, Any] = {
        name: values for name in ("entities", "times") if (values := getattr(roles, name)) is not None
    }
    return replace(batch, **known) if known else batch
