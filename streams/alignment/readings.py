"""What a message in long form says: of which features, and values as those features have them."""

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.streams.decoding.cells import number_in
from latentwatch.streams.decoding.columns import shorten, words
from latentwatch.streams.decoding.json_decoding import kind_of

Value = float | str
VALUE = "@value"
"""The column of a message's value, as it was sent."""
_NAME = "@name"
_NUMBERS = {float, int}
_NUMBERS_OR_TEXT = {float, int, str}
_LARGEST = float(np.finfo(np.float32).max)
_NOTHING: Any = None
_MOST_NAMES = 10_000
"""Names of messages that are remembered."""


def reading_schema(schema: RecordSchema) -> RecordSchema:
    """The fields of one message in long form: what it is of, and its value or values."""
    long = schema.long
    assert long is not None  # the caller has looked
    return RecordSchema(
        time=schema.time,
        day_first=schema.day_first,
        entity=schema.entity,
        where=schema.where,
        features=(
            *(
                Feature(name=f"{_NAME}:{place}", type=FeatureType.CATEGORY, path=field)
                for place, field in enumerate(long.names)
            ),
            Feature(name=VALUE, type=FeatureType.TEXT, path=long.values or long.value or ""),
        ),
    )


def are_readings(schema: RecordSchema) -> bool:
    """Whether a batch of this schema holds messages in long form that are still to be aligned."""
    return schema.texts == (VALUE,)


class Misfit(NamedTuple):
    """Why a value cannot be its feature's."""

    reason: str


class NamedValues(NamedTuple):
    """What N messages say that each hold one value."""

    names: NDArray[np.object_]
    """[N] the feature; None where it is no feature, or has no value."""
    values: NDArray[np.object_]
    """[N]"""
    misfits: dict[int, str]
    """Places of those whose value their feature cannot have, and why."""


class _ObjectValues(NamedTuple):
    """The values of a message's object that are features."""

    features: dict[str, Feature]
    """By their keys."""
    names: tuple[str, ...]
    plain: Callable[[Any], tuple[Any, ...]] | None
    """Gets all of them at once, where all are plain numbers and there are several."""


class ValueReader:
    """Reads names and values as a schema has them."""

    def __init__(self, schema: RecordSchema, decimal_commas: bool = False) -> None:
        assert schema.long is not None  # the caller has looked
        self.schema = schema
        self._values = schema.long.values
        self.several = self._values is not None
        """Whether a message holds several values, each by its own name."""
        self._commas = decimal_commas
        self._features = {feature.path or feature.name: feature for feature in schema.features}
        self._plain: dict[str | None, str] = {
            path: feature.name
            for path, feature in self._features.items()
            if feature.type is FeatureType.NUMERIC and not schema.missing_words(feature.name)
        }
        """Numbers of which no further word or number means "no value": most of them, and quickly read."""
        self._inside: dict[str, _ObjectValues] = {}

    def read(self, batch: Batch) -> NamedValues:
        """What messages say that hold one value each."""
        named, sent = _joined(batch), batch.texts[:, 0].tolist()
        names, numbers = _objects(map(self._plain.get, named), len(named)), _as_numbers(sent)
        plain = are_given(names) & (np.abs(numbers) <= _LARGEST)
        values = _objects(numbers.tolist(), len(named))
        misfits: dict[int, str] = {}
        for place in np.flatnonzero(~plain).tolist():
            found = self._value_of(named[place], sent[place])
            if isinstance(found, Misfit):
                misfits[place] = found.reason
                found = None
            names[place], values[place] = found or (None, None)
        return NamedValues(names, values, misfits)

    def read_several(self, batch: Batch) -> list[dict[str, Value] | Misfit]:
        """What messages say that hold several values each, by their features' names."""
        return list(map(self._values_of, _joined(batch), batch.texts[:, 0].tolist()))

    def _value_of(self, name: str | None, sent: Any) -> tuple[str, Value] | Misfit | None:
        """The feature's name and its value; None for what is no feature, and for a value that is missing."""
        feature = self._features.get(name or "")
        if feature is None or sent is None:
            return None
        value = self._with_care(feature, sent)
        return value if isinstance(value, Misfit | None) else (feature.name, value)

    def _values_of(self, name: str | None, sent: Any) -> dict[str, Value] | Misfit:
        if not isinstance(sent, dict):
            return (
                {}
                if sent is None
                else Misfit(f"field {self._values!r} is {_spelled(sent)}, an object of values belongs there")
            )
        known = self._known(name)
        if known.plain is not None:
            with suppress(KeyError, TypeError):
                values = known.plain(sent)
                if set(map(type, values)) <= _NUMBERS and min(values) >= -_LARGEST and max(values) <= _LARGEST:
                    return dict(zip(known.names, map(float, values), strict=True))
        found: dict[str, Value] = {}
        for key, feature in known.features.items():
            value = sent.get(key)
            read = None if value is None else self._with_care(feature, value)
            if isinstance(read, Misfit):
                return read
            if read is not None:
                found[feature.name] = read
        return found

    def _known(self, name: str | None) -> "_ObjectValues":
        """What a message so named holds of the features."""
        known = self._inside.get(name or "")
        if known is None:
            if len(self._inside) >= _MOST_NAMES:
                self._inside.clear()
            before = f"{name}." if name else ""
            features = {path[len(before) :]: each for path, each in self._features.items() if path.startswith(before)}
            plain = len(features) > 1 and all(before + key in self._plain for key in features)
            known = self._inside[name or ""] = _ObjectValues(
                features, tuple(each.name for each in features.values()), itemgetter(*features) if plain else None
            )
        return known

    def _with_care(self, feature: Feature, sent: Any) -> Value | Misfit | None:
        """A value as its feature has it; None where it is missing."""
        if isinstance(sent, dict | list):
            return Misfit(f"field {feature.name!r} is {_spelled(sent)}, one value belongs there")
        missing, text = self.schema.missing_words(feature.name), words([sent])[0] or ""
        if not feature.is_number:
            return None if text.strip() in missing else text
        number = number_in(text, feature.type is FeatureType.BOOLEAN, self._commas, missing)
        if number is None or abs(number) > _LARGEST:
            wanted = "true or false" if feature.type is FeatureType.BOOLEAN else "a number that 32 bits hold"
            return Misfit(f"field {feature.name!r} is {_spelled(sent)}, {wanted} belongs there")
        return None if math.isnan(number) or number in self.schema.missing_numbers(feature.name) else number


def _spelled(sent: Any) -> str:
    """As every decoder has it, so that a type that moved is known by its dead letters."""
    return f"{kind_of(sent)} ({shorten(sent)})"


def are_given(values: NDArray[np.object_]) -> NDArray[np.bool_]:
    """[N] which of N values are not None."""
    given: NDArray[np.bool_] = np.not_equal(values, _NOTHING)
    return given


def names_of(readings: Batch) -> set[str]:
    """What messages in long form are called; of those that hold several values, what each value is."""
    names: set[str] = set()
    for name, sent in zip(_joined(readings), readings.texts[:, 0].tolist(), strict=True):
        if isinstance(sent, dict):
            names.update(f"{name}.{key}" if name else key for key in sent)
        elif name:
            names.add(name)
    return names


def _joined(batch: Batch) -> list[str | None]:
    """What each message is called: the parts of its name that it has."""
    if batch.categories.shape[1] == 1:
        names: list[str | None] = batch.categories[:, 0].tolist()
        return names
    return [".".join(filter(None, parts)) or None for parts in batch.categories.tolist()]


def _as_numbers(sent: list[Any]) -> NDArray[np.float64]:
    """[N] numbers, whether sent as such or as text; NaN where a second look is needed."""
    if set(map(type, sent)) <= _NUMBERS_OR_TEXT:
        with suppress(ValueError, OverflowError):
            return np.fromiter(map(float, sent), np.float64, count=len(sent))
    return np.fromiter(map(_as_number, sent), np.float64, count=len(sent))


def _as_number(sent: Any) -> float:
    if type(sent) in _NUMBERS_OR_TEXT:
        with suppress(ValueError, OverflowError):
            return float(sent)
    return math.nan


def _objects(values: Iterable[Any], count: int) -> NDArray[np.object_]:
    return np.fromiter(values, object, count=count)
