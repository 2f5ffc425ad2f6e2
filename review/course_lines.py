"""An alert's course as the page tells it: its moments in order, and what each feature did, the guilty ones first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from latentwatch.domain.alert import Alert
from latentwatch.domain.counters import units_of
from latentwatch.domain.course import Course, Usual
from latentwatch.domain.record import Value
from latentwatch.domain.schema import RecordSchema

_GUILTY_SHARE = 0.9
_LEAST_GUILTY, _MOST_GUILTY = 1, 6


@dataclass(frozen=True, slots=True)
class CourseLine:
    """What one feature did over an alert."""

    name: str
    unit: str
    usual: Usual | None
    low: float | None
    high: float | None
    last: Value
    worst: Value
    expected: Value
    since: datetime | None
    until: datetime | None
    share: float
    """Of the surprise of all its records, 0 to 1."""


@dataclass(frozen=True, slots=True)
class CourseMoment:
    """Something that happened in the course of an alert."""

    time: datetime
    what: str
    text: str


def course_lines(course: Course, schema: RecordSchema | None) -> tuple[list[CourseLine], list[CourseLine]]:
    """The features that were wrong over the course, most first, and the rest. The former explain nine tenths of it."""
    units = units_of(schema) if schema else {}
    total = sum(one.share for one in course.features.values()) or 1.0
    everything = [
        CourseLine(
            name, units.get(name, ""), one.usual, one.low, one.high, one.last, one.worst, one.expected, one.since,
            one.until, one.share / total,
        )
        for name, one in sorted(course.features.items(), key=lambda each: -each[1].share)
    ]  # fmt: skip
    culprits = {culprit.feature for culprit in course.culprits}
    reached, count = 0.0, 0
    for line in everything[:_MOST_GUILTY]:
        if count >= _LEAST_GUILTY and reached >= _GUILTY_SHARE:
            break
        reached, count = reached + line.share, count + 1
    guilty = everything[:count] + [line for line in everything[count:] if line.name in culprits]
    return guilty, [line for line in everything if line not in guilty]


def course_moments(alert: Alert, course: Course) -> Sequence[CourseMoment]:
    """Onset, further culprits, the strangest record and the end, in order of time."""
    opened = [culprit.in_words for culprit in course.culprits if not culprit.further]
    began = course.summary or "; ".join(opened) or ", ".join(alert.features[:3])
    found = [CourseMoment(alert.started, "began", began)]
    found += [CourseMoment(one.since, "new culprit", one.in_words) for one in course.culprits if one.further]
    if course.worst is not None and alert.records > 1:
        found.append(CourseMoment(course.worst, "strangest", f"surprise {alert.peak_surprise:.1f}"))
    if alert.records > 1:
        found.append(CourseMoment(alert.ended, "last flagged", "normal since" if alert.over else "it may go on"))
    return sorted(found, key=lambda moment: moment.time)
