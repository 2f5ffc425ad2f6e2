"""Why a record is flagged: features beside what was expected, and what each component adds to its surprise."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from latentwatch.detector.component_words import OF_FORMER_RELEASES, OF_PARTS, Words
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.counters import units_of
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
    """What it adds to the surprise."""

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
class AddedPart:
    """What a component adds to a record's surprise, as people call it."""

    name: str
    meaning: str
    """What it looks at."""
    value: float


def lines(flagged: FlaggedRecord, schema: RecordSchema | None) -> tuple[list[FeatureLine], list[FeatureLine]]:
    """The guilty features, strongest first, and the rest. The guilty explain nine tenths of the surprise.

    Their shares sum to it. Those of releases before 29 November 2026 summed to the reconstruction half: they are scaled.
    """
    contributions = flagged.explanation.contributions
    scale = _scale(flagged, sum(contributions.values()))
    shares = {name: scale * part for name, part in contributions.items()}
    units = units_of(schema) if schema else {}
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


def parts(flagged: FlaggedRecord) -> list[AddedPart]:
    """What components add to its surprise, most first; they sum to it.

    Releases before 29 November 2026 kept each component's own surprise, and both halves beside them: these are scaled.
    """
    found = {"reconstruction": flagged.reconstruction, "density": flagged.density, **flagged.explanation.parts}
    named = {name: max(0.0, value) for name, value in found.items()}
    scale = _scale(flagged, sum(named.values()))
    ordered = sorted(named.items(), key=lambda one: -one[1])
    return [AddedPart(*_words(name), value * scale) for name, value in ordered]


def _words(name: str) -> Words:
    return OF_PARTS.get(name) or OF_FORMER_RELEASES.get(name) or Words(name.replace("_", " "), "")


def _scale(flagged: FlaggedRecord, total: float) -> float:
    """What makes parts of that total sum to the record's surprise."""
    return max(0.0, flagged.surprise) / total if total > 0 else 0.0


def expected_for(flagged: FlaggedRecord, timezone: str) -> str:
    """The time that its expected values are for, by a zone's clock; empty where its model has no clock."""
    if "forecast" not in flagged.explanation.parts:
        return ""
    local = flagged.time.astimezone(ZoneInfo(timezone))
    minutes = f":{local:%M}" if local.minute else ""
    return f"for a {local:%A}, {local.hour % 12 or 12}{minutes} {'am' if local.hour < 12 else 'pm'}"
