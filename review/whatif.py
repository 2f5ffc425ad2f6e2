"""What would calm an alert: its entity's records, as far as they were kept, with the fewest features as expected instead.

alert -> kept records until its strangest -> changes, in words, before and after. The sliders of the page ask the same with
values that a person chose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from latentwatch.alerts.database import Engine
from latentwatch.alerts.exceptions import exceptions_in_force
from latentwatch.alerts.monitors import monitors
from latentwatch.alerts.reading import AlertDetail, alert_detail
from latentwatch.detector.calming import Calming, calming, with_readings
from latentwatch.detector.corrected_readings import under
from latentwatch.detector.interface import Detector
from latentwatch.detector.weighted import under_weights
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.counters import units_of
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.record import Batch, Value
from latentwatch.review.excepting import Load
from latentwatch.review.kept_records import batch_of
from latentwatch.review.words import number

MOST_BEFORE = 400
"""Records before the first flagged one that are replayed: what a context remembers."""
MOST_DURING = 200
"""Records from the first flagged one to the strangest; of longer alerts the last so many."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One feature as it was and as it would have had to be, at the strangest record."""

    feature: str
    unit: str
    actual: Value
    instead: Value
    surprise: float
    """The highest that is left with this change and those before it."""

    @property
    def in_words(self) -> str:
        """A clause for people."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.feature} at {number(self.instead)} instead of {number(self.actual)}{unit}"


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would calm an alert, or what a person's own values would have given."""

    alert: int
    calm: bool
    """Whether no alert would be left."""
    before: float
    """The highest surprise, scored again from what was kept of the entity's records."""
    after: float
    """The highest that is left."""
    threshold: float
    changes: tuple[ChangeLine, ...]
    in_words: str
    times: tuple[datetime, ...]
    """[N] of the records that were changed."""
    surprises_before: tuple[float, ...]
    """[N]"""
    surprises_after: tuple[float, ...]
    """[N]"""
    free: dict[str, float]
    """Numbers that may change, each with what the strangest record shows."""


def what_would_calm(engine: Engine, load: Load, alert: int) -> WhatIf:
    """The fewest features that, as expected given the others, would have left the alert unraised.

    Raises NotFound, InvalidInput for an alert without records, BundleRefused where its model cannot be opened, Unavailable.
    """
    case = _case(engine, load, alert)
    found = calming(case.detector, case.records, case.begun, case.threshold, case.fixed)
    changes = tuple(
        ChangeLine(each.feature, case.units.get(each.feature, ""), each.actual, each.instead, each.surprise)
        for each in found.changes
    )
    said = _calmed(found, changes, case.seconds)
    return case.answer(found.calm, found.after, changes, said, found.surprises)


def had_it_shown(engine: Engine, load: Load, alert: int, readings: Mapping[str, Value]) -> WhatIf:
    """What the alert would have been, had features shown these values throughout.

    Raises as `what_would_calm` does, and InvalidInput for a feature that the model does not read or that cannot change.
    """
    case = _case(engine, load, alert)
    names = set(case.detector.schema.names)
    for name, value in readings.items():
        if name not in names:
            raise InvalidInput(
                f"the model of alert {alert} reads no feature {name!r}; it reads {', '.join(sorted(names))}"
            )
        if name in case.fixed:
            raise InvalidInput(f"feature {name!r} cannot change: the monitor says so, or it is a counter")
        if (name in case.detector.schema.numbers) != isinstance(value, int | float) and value is not None:
            raise InvalidInput(f"{value!r} is no value of feature {name!r}")
    surprises = with_readings(case.detector, case.records, case.begun, readings)
    after = float(surprises[case.begun - case.first :].max())
    changes = tuple(
        ChangeLine(name, case.units.get(name, ""), case.peak[name], value, after) for name, value in readings.items()
    )
    calm = after < case.threshold
    said = f"{'No' if calm else 'Still an'} alert with {_listed([each.in_words for each in changes])}: {after:.1f}."
    return case.answer(calm, after, changes, said if changes else "Nothing was changed.", surprises)


@dataclass(frozen=True, slots=True)
class _Case:
    """An alert as records of its entity, up to the strangest."""

    alert: int
    detector: Detector
    records: Batch
    begun: int
    threshold: float
    fixed: frozenset[str]
    units: Mapping[str, str]
    before: NDArray[np.float32]
    """[N - first] surprises of the records that may be changed, scored again."""

    @property
    def first(self) -> int:
        """The row from which on records are changed."""
        return len(self.records) - len(self.before)

    @property
    def seconds(self) -> float:
        """From that row to the strangest record."""
        return float(self.records.times[-1] - self.records.times[self.first]) / 1_000_000

    @property
    def peak(self) -> dict[str, Value]:
        """What the strangest record shows."""
        return self.records.values(len(self.records) - 1)

    def answer(
        self, calm: bool, after: float, changes: tuple[ChangeLine, ...], said: str, surprises: NDArray[np.float32]
    ) -> WhatIf:
        """With what was scored before, and what may change."""
        numbers = {name: self.peak[name] for name in self.detector.schema.numbers if name not in self.fixed}
        return WhatIf(
            alert=self.alert,
            calm=calm,
            before=float(self.before[self.begun - self.first :].max()),
            after=after,
            threshold=self.threshold,
            changes=changes,
            in_words=said,
            times=tuple(self.records.time(row) for row in range(self.first, len(self.records))),
            surprises_before=tuple(self.before.tolist()),
            surprises_after=tuple(surprises.tolist()),
            free={name: float(value) for name, value in numbers.items() if isinstance(value, int | float)},
        )


def _case(engine: Engine, load: Load, alert: int) -> _Case:
    detail = alert_detail(engine, alert)
    if detail is None:
        raise NotFound(f"there is no alert {alert}; the inbox shows those there are")
    peak = detail.peak
    if peak is None:
        raise InvalidInput(f"alert {alert} has no record to change: its entity sent none")
    monitor = next((one for one in monitors(engine) if one.name == detail.alert.monitor), None)
    excepted = under(load(peak.bundle), exceptions_in_force(engine, detail.alert.monitor))
    detector = under_weights(excepted, peak.grounds.weights)
    records, begun = _records(detector, detail, peak)
    told = monitor.record if monitor else detector.schema
    fixed = {feature.name for feature in told.features if feature.fixed} | {*detector.schema.counters}
    units = units_of(told)
    before = with_readings(detector, records, begun, {})
    return _Case(alert, detector, records, begun, peak.threshold, frozenset(fixed), units, before)


def _records(detector: Detector, detail: AlertDetail, peak: FlaggedRecord) -> tuple[Batch, int]:
    """The entity's kept records until the strangest, and the row of the first flagged one."""
    kept = {point.time: point.values for point in detail.trace if point.time <= peak.time}
    kept |= {one.time: one.values for one in detail.flagged if one.time <= peak.time}
    times = sorted(kept) if detector.context.state_size else [peak.time]
    during = [time for time in times if time >= detail.alert.started][-MOST_DURING:]
    before = [time for time in times if time < detail.alert.started][-MOST_BEFORE:]
    chosen = [*before, *during]
    return batch_of(detector.schema, detail.alert.entity, chosen, [kept[time] for time in chosen]), len(before)


def _calmed(found: Calming, changes: tuple[ChangeLine, ...], seconds: float) -> str:
    """The answer in a sentence."""
    if found.before < found.threshold:
        return (
            f"What was kept of this entity's past gives {found.before:.1f} again, below the threshold of"
            f" {found.threshold:.1f}: too little to say what would have calmed it."
        )
    words = [each.in_words for each in changes]
    if found.calm:
        during = f" for the last {spell_duration(seconds)}" if seconds > 0 else ""
        return (
            f"With {_listed(words)}{during} there would have been no alert: surprise {found.after:.1f} instead of"
            f" {found.before:.1f}."
        )
    if not changes:
        return "No few features explain this: the process as a whole moved."
    return (
        f"No few features explain this: the process as a whole moved. Even with {_listed([each.feature for each in changes])} "
        f"as expected, surprise would be {found.after:.1f} instead of {found.before:.1f}; it alarms from {found.threshold:.1f} on."
    )


def _listed(words: list[str]) -> str:
    named = words[:_NAMED]
    more = [f"{len(words) - _NAMED} more"] if len(words) > _NAMED else []
    *front, last = [*named, *more] or [""]
    return f"{', '.join(front)} and {last}" if front else last
