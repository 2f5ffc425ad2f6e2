"""What one message in long form says: of which feature, and a value as that feature has it."""

import math
from typing import NamedTuple

import numpy as np

from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.streams.decoding.cells import number_in
from latentwatch.streams.decoding.columns import shorten

Value = float | str
_NAME, _VALUE = "@name", "@value"
_LARGEST = float(np.finfo(np.float32).max)


def reading_schema(schema: RecordSchema) -> RecordSchema:
    """The fields of one message in long form: what it is of, and its value, both as text."""
    assert schema.long is not None  # the caller has looked
    return RecordSchema(
        time=schema.time,
        day_first=schema.day_first,
        entity=schema.entity,
        where=schema.where,
        features=(
            Feature(name=_NAME, type=FeatureType.CATEGORY, path=schema.long.name),
            Feature(name=_VALUE, type=FeatureType.TEXT, path=schema.long.value),
        ),
    )


def are_readings(schema: RecordSchema) -> bool:
    """Whether a batch of this schema holds messages in long form that are still to be aligned."""
    return schema.categories == (_NAME,) and schema.texts == (_VALUE,)


class Misfit(NamedTuple):
    """Why a value cannot be its feature's."""

    reason: str


class ValueReader:
    """Reads names and values as a schema has them."""

    def __init__(self, schema: RecordSchema, decimal_commas: bool = False) -> None:
        self.schema = schema
        self._commas = decimal_commas
        self._features = {feature.path or feature.name: feature for feature in schema.features}
        self._plain = {
            path: feature.name
            for path, feature in self._features.items()
            if feature.type is FeatureType.NUMERIC and not schema.missing_words(feature.name)
        }
        """Numbers of which no further word or number means "no value": most of them, and quickly read."""

    def read(self, name: str | None, text: str | None) -> tuple[str | None, Value | None] | Misfit:
        """The feature's name and its value; None for what is no feature, and for a value that is missing."""
        if text is None or name is None:
            return None, None
        plain = self._plain.get(name)
        if plain is not None:
            try:
                number = float(text)
            except ValueError:  # a missing word, a decimal comma, or none
                pass
            else:
                if -_LARGEST <= number <= _LARGEST:
                    return plain, number
        feature = self._features.get(name)
        return (None, None) if feature is None else self._with_care(feature, text)

    def _with_care(self, feature: Feature, text: str) -> tuple[str | None, Value | None] | Misfit:
        missing = self.schema.missing_words(feature.name)
        if not feature.is_number:
            return feature.name, None if text.strip() in missing else text
        number = number_in(text, feature.type is FeatureType.BOOLEAN, self._commas, missing)
        if number is None or abs(number) > _LARGEST:
            wanted = "true or false" if feature.type is FeatureType.BOOLEAN else "a number that 32 bits hold"
            return Misfit(f"{feature.name!r} is {shorten(text)}, {wanted} belongs there")
        gone = math.isnan(number) or number in self.schema.missing_numbers(feature.name)
        return feature.name, None if gone else number
