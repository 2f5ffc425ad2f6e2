"""An alert over its whole course: what each feature did, which of them led, and which came to lead on the way.

Flagged records, one after the other -> Course. One record speaks for its moment only: the strangest may be that of a
recovery, and slow sensors show nothing in most. The course adds up what features contributed over all records, keeps how
far each went and its last known value, and compares them with what the entity showed before. It depends on the records
and their order alone, not on how they were cut into batches.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.record import Value
from latentwatch.domain.scores import MOST_NAMED
from latentwatch.domain.trace_block import TraceBlock

MOST_FEATURES = 100
"""Features that a course tells of: of more, those that contributed most."""
MOST_CULPRITS = 6
"""Features that a course names as having led; a fault that is everywhere names none."""
LEADING_SHARE = 0.25
"""A feature leads a record where it adds so much of its surprise."""
LED_RECORDS = 3
"""It is a culprit of an alert once it led so many of its records while beyond what is usual: one may be chance."""
LED_RECORDS_WITHIN = 10
"""The same while it shows what is usual in itself, and is strange beside the others or by its course."""
OPENING_RECORDS = 10
"""Who leads within the first records belongs to what the alert opened with; who comes later is a further culprit."""
_FEWEST_BEFORE = 10
"""Records before an alert from which on it is known what was usual."""
_MARGIN = 0.25
"""A value is off where it lies so much of the usual range's width beyond it."""
_TOGETHER_SHARE, _FEWEST_TOGETHER = 2 / 3, 4
"""Features fell together where so many of those with a usual range lie below it at one moment."""
_STOPPED = 0.2
"""Where half of them have less than so much of their usual level left, it looks like a stop."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What a number showed before an alert."""

    low: float
    middle: float
    high: float

    def side_of(self, value: float) -> int:
        """-1 below, 1 above, 0 within the usual range or near it.

        >>> [Usual(1.0, 2.0, 3.0).side_of(value) for value in (0.4, 0.6, 3.4, 3.6)]
        [-1, 0, 0, 1]
        """
        if self.low <= value <= self.high:  # as nearly always
            return 0
        margin = max(_MARGIN * (self.high - self.low), 1e-6 * max(abs(self.low), abs(self.high)))
        return -1 if value < self.low - margin else int(value > self.high + margin)


@dataclass(slots=True)
class FeatureCourse:
    """What one feature did over an alert."""

    share: float = 0.0
    """What it added to the surprise, summed over the records; where a word or a flag is as expected, nothing counts."""
    usual: Usual | None = None
    """What it showed before; None where too little is known, or for what is no number."""
    low: float | None = None
    high: float | None = None
    """How far it went."""
    last: Value = None
    """Its last known value: slow sensors show one in few records."""
    worst: Value = None
    """Its last known value at the strangest record."""
    expected: Value = None
    """What was expected of it at the strangest record."""
    since: datetime | None = None
    until: datetime | None = None
    """First and last record at which it was off: beyond what is usual, or leading."""
    led: int = 0
    """Records that it led."""
    first_led: datetime | None = None
    """Event time of the first of them."""
    first_led_record: int = 0
    """Which record of the alert that was, counted from 1."""
    led_off: int = 0
    """Records that it led while it lay beyond what is usual."""

    @property
    def side(self) -> int:
        """Where its last known value lies: -1 below what is usual, 1 above, 0 within, or where that is not known."""
        return self.usual.side_of(self.last) if self.usual and _is_number(self.last) else 0

    @property
    def accused(self) -> bool:
        """Whether it led often enough to be named."""
        return self.led_off >= LED_RECORDS or self.led >= LED_RECORDS_WITHIN

    @property
    def stopped(self) -> bool:
        """Whether hardly anything is left of its usual level."""
        return self.usual is not None and _is_number(self.last) and abs(self.last) < _STOPPED * abs(self.usual.middle)

    def show(self, value: Value) -> None:
        """Take a record's value; a missing one leaves the last known."""
        if value is None:
            return
        self.last = value
        if _is_number(value):
            if self.low is None or value < self.low:
                self.low = value
            if self.high is None or value > self.high:
                self.high = value

    def lead(self, time: datetime, record: int) -> None:
        """Note that it led the alert's record of that number."""
        if self.first_led is None:
            self.first_led, self.first_led_record = time, record
        self.led += 1
        self.led_off += self.side != 0

    def off(self, time: datetime) -> None:
        """Note that it was off at a record."""
        self.since = time if self.since is None else min(self.since, time)
        self.until = time if self.until is None else max(self.until, time)


@dataclass(frozen=True, slots=True)
class Culprit:
    """A feature that came to lead an alert."""

    feature: str
    since: datetime
    """Event time of the first record that it led."""
    further: bool
    """Whether it came after the alert had opened with others: a second fault, or how the first one spread."""
    value: Value = None
    """Its last known value as it was named."""
    usual: Usual | None = None

    @property
    def in_words(self) -> str:
        """A clause for people.

        >>> Culprit("vib", datetime(2026, 11, 11), True, 3.264, Usual(1.354, 1.5, 1.72)).in_words
        'vib at 3.264, usually 1.354 to 1.72'
        """
        shown = f"{self.value:.4g}" if _is_number(self.value) else str(self.value)
        said = self.feature if self.value is None else f"{self.feature} at {shown}"
        return f"{said}, usually {self.usual.low:.4g} to {self.usual.high:.4g}" if self.usual else said


@dataclass(frozen=True, slots=True)
class Together:
    """Features that lay on one side of what is usual at one moment."""

    time: datetime
    side: int
    """-1 where they fell, 1 where they rose."""
    features: tuple[str, ...]
    others: tuple[str, ...]
    """Those that did not go with them, of which it is known what is usual."""
    stopped: bool
    """Whether most have hardly anything left of their usual level."""

    @property
    def in_words(self) -> str:
        """A clause for people.

        >>> Together(datetime(2026, 11, 11), -1, ("P01", "P02", "T02", "vib"), ("T01",), True).in_words
        '4 of 5 features fell together: a stop? T01 did not'
        """
        count = len(self.features) + len(self.others)
        said = f"{len(self.features)} of {count} features {'fell' if self.side < 0 else 'rose'} together"
        said += ": a stop?" if self.stopped else ""
        if not 0 < len(self.others) <= 3:
            return said
        return f"{said}{'' if self.stopped else ','} {' and '.join(self.others)} did not"


@dataclass(slots=True)
class Course:
    """An alert while it is told."""

    features: dict[str, FeatureCourse] = field(default_factory=dict)
    records: int = 0
    worst: datetime | None = None
    """Event time of its strangest record."""
    worst_surprise: float | None = None
    culprits: tuple[Culprit, ...] = ()
    """In the order in which they came to lead."""
    together: Together | None = None
    """The moment at which most features lay on one side of what is usual."""

    @classmethod
    def after(cls, before: TraceBlock) -> Self:
        """The beginning of an alert after these points of its entity."""
        return cls(
            {name: FeatureCourse(usual=usual, last=last) for name, (usual, last) in known_before(before).items()}
        )

    def add(self, record: FlaggedRecord) -> tuple[Culprit, ...]:
        """Go on by one record; returns the further culprits that it shows."""
        self.records += 1
        contributions, time, features = counting(record), record.time, self.features
        for name in (*record.values, *contributions):
            if name not in features:
                features[name] = FeatureCourse()
        for name, value in record.values.items():
            if value is not None:
                features[name].show(value)
        for name, share in contributions.items():
            features[name].share += share
        leading = [name for name, share in contributions.items() if share >= LEADING_SHARE * record.surprise > 0]
        for name in leading:
            features[name].lead(time, self.records)
        sides = _sides(features)
        for name in (*sides, *leading):
            features[name].off(time)
        if self.worst_surprise is None or record.surprise > self.worst_surprise:
            self.worst, self.worst_surprise = time, record.surprise
            for name, course in features.items():
                course.worst, course.expected = course.last, record.explanation.expected.get(name)
        self._look_together(time, sides)
        found = self._culprits(leading)
        self._bound(leading)
        return tuple(each for each in found if each.further)

    def leading(self, first: Iterable[str] = ()) -> list[str]:
        """The features that it is about, at most five: those named first, then those that contributed most over it."""
        named = list(dict.fromkeys(first))
        ordered = sorted(self.features.items(), key=lambda one: -one[1].share)
        return [*named, *(name for name, course in ordered if course.share > 0 and name not in named)][:MOST_NAMED]

    @property
    def shares(self) -> dict[str, float]:
        """What each feature added to the surprise, summed over the records."""
        return {name: course.share for name, course in self.features.items()}

    @property
    def summary(self) -> str:
        """What happened, where it is more than the leading features say; else empty."""
        return self.together.in_words if self.together else ""

    def _culprits(self, leading: Sequence[str]) -> list[Culprit]:
        known = {each.feature for each in self.culprits}
        found: list[Culprit] = []
        for name in leading:
            course = self.features[name]
            if name not in known and course.accused and course.first_led and len(self.culprits) < MOST_CULPRITS:
                further = course.first_led_record > OPENING_RECORDS
                found.append(Culprit(name, course.first_led, further, course.last, course.usual))
                self.culprits = (*self.culprits, found[-1])
        return found

    def _look_together(self, time: datetime, sides: Mapping[str, int]) -> None:
        """Whether most features are on one side, by the `sides` of those that are off: by the end of the opening, or as
        slow ones follow. A machine that goes into another state later in the alert is no news."""
        if self.together is None and self.records > OPENING_RECORDS:
            return
        if len(sides) < _FEWEST_TOGETHER:
            return
        known = {name: course for name, course in self.features.items() if course.usual and _is_number(course.last)}
        for side in (-1, 1) if self.together is None else (self.together.side,):
            there = tuple(name for name in known if sides.get(name) == side)
            before = 0 if self.together is None else len(self.together.features)
            if len(there) > before and len(there) >= max(_FEWEST_TOGETHER, _TOGETHER_SHARE * len(known)):
                others = tuple(name for name in known if name not in there)
                stopped = side < 0 and 2 * sum(known[name].stopped for name in there) >= len(there)
                self.together = Together(time, side, there, others, stopped)

    def _bound(self, leading: Sequence[str]) -> None:
        """Keep those that contributed most; who leads now stays, or it could never come to lead."""
        if len(self.features) > MOST_FEATURES:
            kept = sorted(self.features, key=lambda name: (name not in leading, -self.features[name].share))[
                :MOST_FEATURES
            ]
            self.features = {name: course for name, course in self.features.items() if name in set(kept)}

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        stored: dict[str, Any] = _STORED.dump_python(self, mode="json")
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Course":
        """The inverse of `to_json`."""
        return _STORED.validate_python(stored)


_STORED = TypeAdapter(Course)


def _sides(features: Mapping[str, FeatureCourse]) -> dict[str, int]:
    """The `side` of those that are not within, as most are."""
    found = {}
    for name, course in features.items():
        usual, last = course.usual, course.last
        if usual is None or not _is_number(last) or usual.low <= last <= usual.high:
            continue
        if side := usual.side_of(last):
            found[name] = side
    return found


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) is float or (isinstance(value, (float, int)) and not isinstance(value, bool))


def counting(record: FlaggedRecord) -> dict[str, float]:
    """What features contributed to a record's surprise, without what says nothing: a word or a flag that is as expected,
    and what the monitor's rules discount."""
    expected, values = record.explanation.expected, record.values
    return {
        name: share
        for name, share in record.explanation.contributions.items()
        if share > 0
        and name not in record.grounds.discounted
        and not (isinstance(values.get(name), str | bool) and values[name] == expected.get(name))
    }


def known_before(before: TraceBlock) -> dict[str, tuple[Usual | None, Value]]:
    """What is usual of each feature, and its last known value, by the points before; flagged ones are not usual."""
    last: dict[str, Value] = {
        name: next((value for value in reversed(column) if value is not None), None)
        for name, column in before.words.items()
    }
    usual: dict[str, Usual] = {}
    if before.numeric and len(before):
        known = np.where(np.isnan(before.numbers), before.low, before.numbers)
        latest = len(before) - 1 - np.argmax(~np.isnan(known)[::-1], axis=0)
        newest = known[latest, np.arange(len(before.numeric))].tolist()
        last |= {name: value if value == value else None for name, value in zip(before.numeric, newest, strict=True)}
    calm = before.take(~before.flagged)
    if before.numeric and calm.records.sum() >= _FEWEST_BEFORE:
        middle = _medians(np.where(np.isnan(calm.numbers), (calm.low + calm.high) / 2, calm.numbers)).tolist()
        low, high = np.fmin.reduce(calm.low, axis=0).tolist(), np.fmax.reduce(calm.high, axis=0).tolist()
        found = zip(before.numeric, map(Usual, low, middle, high), strict=True)
        usual = {name: each for name, each in found if each.low == each.low}
    return {name: (usual.get(name), last[name]) for name in before.names if last[name] is not None}


def _medians(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """[C] of the known of [N, C] values; NaN where none is known."""
    ordered = np.sort(values, axis=0)  # what is missing comes last
    counts, columns = (~np.isnan(ordered)).sum(0), np.arange(values.shape[1])
    lower, upper = (ordered[np.maximum(of, 0) // 2, columns] for of in (counts - 1, counts))
    return np.asarray((lower + upper) / 2)
