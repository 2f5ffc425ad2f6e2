"""Why a record is flagged: features beside what was expected, and the surprise of each component."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.record import Value
from latentwatch.domain.schema import RecordSchema

_GUILTY_SHARE = 0.9
_LEAST_GUILTY, _MOST_GUILTY = 3, 6


@dataclass(frozen=True, slots=True)
class FeatureLine:
    """One feature, actual beside expected."""

    name: str
    unit: str
    actual: Value
    expected: Value
    share: float
    """Its part of the reconstruction surprise."""

    @property
    def differs(self) -> bool:
        """Whether actual and expected are different values."""
        return self.actual != self.expected

    @property
    def difference(self) -> float | None:
        """Actual minus expected where both are numbers."""
        if isinstance(self.actual, bool | str | None) or isinstance(self.expected, bool | str | None):
            return None
        return self.actual - self.expected


@dataclass(frozen=True, slots=True)
class NamedSurprise:
    """The surprise of the whole or of a component, as people call it."""

    name: str
    value: float
    meaning: str
    """What it looks at."""


_CALLED = {
    "surprise": ("surprise", "the fused score, the one that is compared with the threshold"),
    "reconstruction": ("reconstruction", "how badly the autoencoder rebuilds it"),
    "density": ("density", "how sparsely its part of latent space is populated"),
    "neighbours": ("neighbours", "how far the nearest normal records are"),
    "now": ("this record", "whether its values alone, without its past, are usual together"),
    "level": ("level", "whether its values are usual together"),
    "dyn": ("dynamics", "whether its recent movement is usual"),
    "relations": ("relations", "whether each part shows, over a while, what the others predict of it"),
    "activity": ("activity", "whether unusually many parts are moving"),
    "forecast": ("forecast", "how far off the forecast of its numbers was, for their time of day and of week"),
    "components": ("components", "what all but the forecast say together, against training"),
    "shape": ("shape", "whether the recent window runs as windows usually do"),
    # These two stand in records that were flagged by models of former releases.
    "slow": ("slow change", "whether its values are usual for its slow trend"),
    "pattern": ("pattern", "whether a window like the recent one was seen before"),
    "novelty": (
        "novelty",
        "parts that never moved and moved, that never stood still and stand, values that never lacked and lack",
    ),
}
"""How people call a component, and what it looks at."""


def lines(flagged: FlaggedRecord, schema: RecordSchema | None) -> tuple[list[FeatureLine], list[FeatureLine]]:
    """The guilty features, strongest first, and the rest. The guilty explain nine tenths of the reconstruction half."""
    shares = flagged.explanation.contributions
    units = {feature.name: feature.unit for feature in schema.features} if schema else {}
    names = sorted(flagged.values, key=lambda name: -shares.get(name, 0.0))
    everything = [
        FeatureLine(
            name,
            units.get(name, ""),
            flagged.values[name],
            flagged.explanation.expected.get(name),
            shares.get(name, 0.0),
        )
        for name in names
    ]
    total, reached, count = sum(line.share for line in everything), 0.0, 0
    for line in everything[:_MOST_GUILTY]:
        if count >= _LEAST_GUILTY and reached >= _GUILTY_SHARE * total:
            break
        reached += line.share
        count += 1
    return everything[:count], everything[count:]


def surprises(flagged: FlaggedRecord) -> list[NamedSurprise]:
    """Of the whole first, then of both halves, then of the other components, the most surprised first."""
    halves = {"reconstruction": flagged.reconstruction, "density": flagged.density}
    others = {name: value for name, value in flagged.components.items() if name not in halves}
    named = {"surprise": flagged.surprise, **halves, **dict(sorted(others.items(), key=lambda one: -one[1]))}
    found = []
    for name, value in named.items():
        called, meaning = _CALLED.get(name, (name.replace("_", " "), ""))
        found.append(NamedSurprise(called, max(0.0, value), meaning))
    return found


def expected_for(flagged: FlaggedRecord, timezone: str) -> str:
    """The time that its expected values are for, by a zone's clock; empty where its model has no clock."""
    if "forecast" not in flagged.components:
        return ""
    local = flagged.time.astimezone(ZoneInfo(timezone))
    minutes = f":{local:%M}" if local.minute else ""
    return f"for a {local:%A}, {local.hour % 12 or 12}{minutes} {'am' if local.hour < 12 else 'pm'}"
