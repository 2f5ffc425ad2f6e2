"""Counters as what is judged of them: their rate a second, a plain number.

Feature or schema with counters -> the same with rates in their place, under the same names
"""

from collections.abc import Collection

from latentwatch.domain.schema import Feature, FeatureType, RecordSchema


def as_rate(feature: Feature) -> Feature:
    """A number of its unit a second.

    >>> as_rate(Feature(name="sent", type="counter", unit="B")).unit
    'B/s'
    """
    return feature.model_copy(update={"type": FeatureType.NUMERIC, "unit": f"{feature.unit}/s"})


def units_of(schema: RecordSchema) -> dict[str, str]:
    """By feature the unit in which pages show it; empty where the monitor names none."""
    return {feature.name: feature.unit for feature in in_rates(schema).features}


def in_rates(schema: RecordSchema, counters: Collection[str] | None = None) -> RecordSchema:
    """The records as models and pages see them: with rates where the monitor says `counter`, or of these features."""
    counters = schema.counters if counters is None else counters
    if not counters:
        return schema
    return RecordSchema(
        **{name: getattr(schema, name) for name in RecordSchema.model_fields if name != "features"},
        features=tuple(as_rate(each) if each.name in counters else each for each in schema.features),
    )
