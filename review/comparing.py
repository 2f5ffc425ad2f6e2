"""Two alerts side by side: aligned at onset, what each was about, how they differ in words, and the way from one to the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from latentwatch.alerts.database import Engine
from latentwatch.alerts.monitors import monitors_named
from latentwatch.alerts.reading import AlertDetail, alert_detail, incident_of
from latentwatch.domain.alert import Alert
from latentwatch.domain.counters import units_of
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.fingerprint import ALIKE, fingerprint, vectors
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.percent import percent
from latentwatch.domain.record import Value
from latentwatch.review.likeness import SAME
from latentwatch.review.words import number

MOST_FEATURES = 12
MOST_POINTS = 300
"""Of each alert's trace."""
_DRAWN = 3
_NAMED_SHARE = 0.15
"""Of the surprise, from which on a feature is what an alert is about."""
_APART = 0.1
"""Of how far off a feature was in the one further off, from which on the difference is told in words."""
_LONGER = 2.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One kept record, by when it came."""

    seconds: float
    """After the first flagged record; negative before."""
    surprise: float
    values: tuple[float | None, ...]
    """Of the features that are drawn, in their order."""


@dataclass(frozen=True, slots=True)
class AlertSide:
    """One of the two."""

    alert: Alert
    cause: str
    """What people said that it was; else empty."""
    seconds: float
    """How long it lasted."""
    trace: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class FeatureCompared:
    """What one feature did in both, at the strangest record of each."""

    feature: str
    unit: str
    shares: tuple[float, float]
    """Of each alert's surprise, over its course."""
    actual: tuple[Value, Value]
    expected: tuple[Value, Value]
    direction: float | None
    """How much further from what was expected it lies in the second than in the first, in its unit; None for words."""

    @property
    def is_apart(self) -> bool:
        """Whether the difference is more than little beside how far off the feature was."""
        if not self.direction:
            return False
        off = (abs(_off(*pair) or 0.0) for pair in zip(self.actual, self.expected, strict=True))
        return abs(self.direction) >= _APART * max(off)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two alerts side by side."""

    first: AlertSide
    second: AlertSide
    likeness: float
    """Cosine of their fingerprints, 0 to 1."""
    drawn: tuple[str, ...]
    """The numbers whose values the traces have: the loudest of both."""
    features: tuple[FeatureCompared, ...]
    """The loudest first, at most MOST_FEATURES."""
    in_words: tuple[str, ...]
    """Sentences for people: what they share, how they differ, and the direction from the first to the second."""


def compare(engine: Engine, first: int, second: int) -> Comparison:
    """Two alerts, of whatever monitors. Raises NotFound, InvalidInput for one and the same or one without records, Unavailable."""
    if first == second:
        raise InvalidInput(f"alert {first} is compared with itself; name another one")
    details = _detail(engine, first), _detail(engine, second)
    shares = _shares(details[0]), _shares(details[1])
    units = _units(engine, {detail.alert.monitor for detail in details})
    names = sorted({*shares[0], *shares[1]}, key=lambda name: (-max(each.get(name, 0.0) for each in shares), name))
    features = tuple(_feature(name, units.get(name, ""), details, shares) for name in names[:MOST_FEATURES])
    drawn = tuple(each.feature for each in features if each.direction is not None)[:_DRAWN]
    directions = vectors([fingerprint(each) for each in shares])
    likeness = min(1.0, float(directions[0] @ directions[1]))
    sides = _side(details[0], drawn), _side(details[1], drawn)
    return Comparison(*sides, likeness, drawn, features, tuple(_said(sides, likeness, features)))


def loudest_alert(engine: Engine, incident: int) -> int:
    """The alert of an incident that was the strangest: what is compared of it. Raises NotFound, Unavailable."""
    found = incident_of(engine, incident)
    if found is None:
        raise NotFound(f"there is no incident {incident}; the inbox shows those there are")
    return max(found.alerts, key=lambda alert: (alert.peak_surprise, -alert.id)).id


def _detail(engine: Engine, alert: int) -> AlertDetail:
    detail = alert_detail(engine, alert)
    if detail is None:
        raise NotFound(f"there is no alert {alert}; the inbox shows those there are")
    if detail.peak is None:
        raise InvalidInput(f"alert {alert} has no record to compare: its entity {detail.alert.kind.in_words}")
    return detail


def _shares(detail: AlertDetail) -> dict[str, float]:
    """What part of its surprise each feature added, over the alert's course where that is known."""
    told = {name: each.share for name, each in detail.course.features.items()} if detail.course else {}
    if not sum(told.values()) and detail.peak is not None:
        told = dict(detail.peak.explanation.contributions)
    whole = sum(share for share in told.values() if share > 0)
    return {name: share / whole for name, share in told.items() if share > 0}


def _units(engine: Engine, names: set[str]) -> dict[str, str]:
    return {name: unit for monitor in monitors_named(engine, names) for name, unit in units_of(monitor.record).items()}


def _feature(
    name: str, unit: str, details: Sequence[AlertDetail], shares: Sequence[dict[str, float]]
) -> FeatureCompared:
    peaks = [detail.peak for detail in details if detail.peak is not None]
    actual = [peak.values.get(name) for peak in peaks]
    expected = [peak.explanation.expected.get(name) for peak in peaks]
    off = [_off(one, other) for one, other in zip(actual, expected, strict=True)]
    return FeatureCompared(
        feature=name,
        unit=unit,
        shares=(shares[0].get(name, 0.0), shares[1].get(name, 0.0)),
        actual=(actual[0], actual[1]),
        expected=(expected[0], expected[1]),
        direction=None if off[0] is None or off[1] is None else off[1] - off[0],
    )


def _off(actual: Value, expected: Value) -> float | None:
    if isinstance(actual, bool | str) or isinstance(expected, bool | str) or actual is None or expected is None:
        return None
    return float(actual) - float(expected)


def _side(detail: AlertDetail, drawn: Sequence[str]) -> AlertSide:
    alert = detail.alert
    points = _evenly(detail.trace)
    trace = tuple(
        Moment(
            (point.time - alert.started).total_seconds(),
            point.surprise,
            tuple(_plain(point.values.get(name)) for name in drawn),
        )
        for point in points
    )
    cause = next((label.cause for label in reversed(detail.labels) if label.cause), "")
    return AlertSide(alert, cause, (alert.ended - alert.started).total_seconds(), trace)


def _evenly(points: Sequence[TracePoint]) -> Sequence[TracePoint]:
    """At most so many, and in each stretch the strangest."""
    if len(points) <= MOST_POINTS:
        return points
    edges = [len(points) * place // MOST_POINTS for place in range(MOST_POINTS + 1)]
    return [max(points[start:end], key=lambda one: one.surprise) for start, end in pairwise(edges)]


def _plain(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _said(sides: tuple[AlertSide, AlertSide], likeness: float, features: Sequence[FeatureCompared]) -> list[str]:
    words = "nearly the same" if likeness >= SAME else "alike" if likeness >= ALIKE else "not alike"
    both = [each for each in features if min(each.shares) >= _NAMED_SHARE]
    said = [f"By what they were about they are {words} ({likeness:.2f})."]
    if both:
        said.append(f"Both are about {', '.join(each.feature for each in both)}.")
    for place, side in enumerate(sides):
        other = 1 - place
        alone = [each for each in features if each.shares[place] >= _NAMED_SHARE > each.shares[other]]
        clauses = [
            f"{each.feature} ({percent(each.shares[place])} of it, {percent(each.shares[other])} of the other)"
            for each in alone
        ]
        if clauses:
            said.append(f"Alert {side.alert.id} alone is about {', '.join(clauses)}.")
    lasted = [side.seconds for side in sides]
    if max(lasted) > _LONGER * max(1.0, min(lasted)):
        longer = int(lasted[1] > lasted[0])
        said.append(
            f"Alert {sides[longer].alert.id} lasted {spell_duration(lasted[longer])}, the other one"
            f" {spell_duration(lasted[1 - longer])}."
        )
    moved = [each for each in features if each.is_apart and max(each.shares) >= _NAMED_SHARE]
    if moved:
        ways = [
            f"{each.feature} {number(abs(each.direction or 0))}{' ' + each.unit if each.unit else ''}"
            f" {'higher' if (each.direction or 0) > 0 else 'lower'}"
            for each in moved
        ]
        said.append(f"From the first to the second, against what was expected: {', '.join(ways)}.")
    return said
