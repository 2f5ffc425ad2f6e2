"""What people say matters of each feature, and on what grounds a record was flagged.

A monitor's features -> FeatureRules. They act in the decision about scored records: no model learns of them, so that a
change needs no training, and each decision is kept with its grounds, so that it can be had again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from latentwatch.domain.counters import in_rates
from latentwatch.domain.record import Value
from latentwatch.domain.schema import Feature, RecordSchema
from latentwatch.domain.steps import LastingChange


@dataclass(frozen=True, slots=True)
class FeatureRules:
    """Of the features that a model reads, those of which a monitor says what matters."""

    limited: tuple[Feature, ...] = ()
    """With limits that always alarm."""
    graded: tuple[Feature, ...] = ()
    """Of which some deviations do not count."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Features that count less than others, by name; 0 where one is muted. They act in the score."""

    def __bool__(self) -> bool:
        return bool(self.limited or self.graded)

    @classmethod
    def of(cls, monitor: RecordSchema, model: RecordSchema) -> Self:
        """What a monitor's file says of the features that a model reads; others are not decoded, and cannot count yet."""
        said = [feature for feature in in_rates(monitor).features if feature.name in model.names]
        known = [feature for feature in said if feature.name in model.numbers]
        return cls(
            tuple(each for each in known if each.alarm_above is not None or each.alarm_below is not None),
            tuple(each for each in known if each.direction is not None or each.ignore_below is not None),
            {each.name: each.weight for each in said if each.weight is not None and each.weight < 1},
        )


NO_RULES = FeatureRules()
"""Every deviation counts."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A value beyond a limit that always alarms."""

    feature: str
    value: float
    limit: float
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        """What is stored, and what `Crossing(**stored)` reads."""
        return {"feature": self.feature, "value": self.value, "limit": self.limit, "unit": self.unit}

    @property
    def in_words(self) -> str:
        """A clause for people.

        >>> Crossing("bearing_temperature", 92.4, 90.0, "°C").in_words
        'bearing_temperature is 92.4 °C, above its limit of 90 °C'
        """
        side, unit = "above" if self.value > self.limit else "below", f" {self.unit}" if self.unit else ""
        return f"{self.feature} is {self.value:.6g}{unit}, {side} its limit of {self.limit:.6g}{unit}"


@dataclass(frozen=True, slots=True)
class Grounds:
    """What rules had to do with a record's being flagged; empty where its surprise alone decided."""

    crossed: tuple[Crossing, ...] = ()
    discounted: tuple[str, ...] = ()
    """Features whose deviation does not count: the record was scored again as if each were as the others predict."""
    remaining: float | None = None
    """The surprise of that second score, which was compared with the threshold; None where nothing was discounted."""
    read_as: Mapping[str, Value] = field(default_factory=dict)
    """What the record was read as in place of what it shows, where exceptions say so: a level that moved, another word."""
    step: LastingChange | None = None
    """The lasting change that it asks about."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Features that counted less in the record's score than others, by name; 0 where one is muted."""

    def __bool__(self) -> bool:
        return bool(self.crossed or self.discounted or self.read_as or self.step or self.weights)

    @property
    def in_words(self) -> tuple[str, ...]:
        """Sentences for people."""
        said = [f"{crossing.in_words}." for crossing in self.crossed]
        if self.discounted and self.remaining is not None:
            names = ", ".join(self.discounted)
            said.append(f"Without what does not count of {names} its surprise is {self.remaining:.1f}.")
        read_as = ", ".join(f"{name} as {_shown(value)}" for name, value in self.read_as.items())
        said += [f"By an exception it was read with {read_as}."] if read_as else []
        said += [self.step.in_words] if self.step else []
        muted = ", ".join(name for name, weight in self.weights.items() if not weight)
        said += [f"Without {muted}, muted in the monitor."] if muted else []
        less = ", ".join(f"{name} counts {weight:g}" for name, weight in self.weights.items() if weight)
        said += [f"By its weight {less}."] if less else []
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """What is stored; an empty mapping where nothing had to be said."""
        if not self:
            return {}
        crossed = [crossing.to_json() for crossing in self.crossed]
        stored: dict[str, Any] = {"crossed": crossed, "discounted": list(self.discounted), "remaining": self.remaining}
        stored |= {"read_as": dict(self.read_as)} if self.read_as else {}
        stored |= {"step": self.step.to_json()} if self.step else {}
        return stored | ({"weights": dict(self.weights)} if self.weights else {})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Self:
        """The inverse of `to_json`."""
        if not stored:
            return cls()
        return cls(
            tuple(Crossing(**one) for one in stored["crossed"]),
            tuple(stored["discounted"]),
            stored["remaining"],
            stored.get("read_as", {}),
            LastingChange.from_json(stored["step"]) if "step" in stored else None,
            stored.get("weights", {}),
        )


def _shown(value: Value) -> str:
    return "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


NO_GROUNDS = Grounds()
"""The surprise alone decided."""
