"""Two model versions on the same stretch: what would each have raised?

An alert's kept records, or an entity's latest sampled ones -> scored by both, each under its own threshold, and under the rules
and exceptions of the monitor as they are now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from latentwatch.alerts.database import Engine
from latentwatch.alerts.exceptions import exceptions_in_force
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.reading import alert_detail, trace
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.decision import decide
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.steps.detector import acting_under, asking
from latentwatch.detector.weighted import under_weights
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Value
from latentwatch.domain.rules import FeatureRules
from latentwatch.review.excepting import Load
from latentwatch.review.kept_records import batch_of

MOST_RECORDS = 1000
"""Of an entity, the latest."""


@dataclass(frozen=True, slots=True)
class Raised:
    """One alert that a version would have raised."""

    started: datetime
    ended: datetime
    peak: float
    """The surprise of its strangest record."""


@dataclass(frozen=True, slots=True)
class VersionOnStretch:
    """What one version makes of the records."""

    version: int
    threshold: float
    surprises: tuple[float, ...]
    """[N]"""
    flagged: int
    """Records."""
    raised: tuple[Raised, ...]

    @property
    def in_words(self) -> str:
        """A sentence."""
        if not self.raised:
            return (
                f"Version {self.version} would have raised nothing: {max(self.surprises):.1f} at most, and it alarms from"
                f" {self.threshold:.1f} on."
            )
        many = "an alert" if len(self.raised) == 1 else f"{len(self.raised)} alerts"
        loudest = max(self.raised, key=lambda each: each.peak)
        return (
            f"Version {self.version} would have raised {many}, with a surprise of {loudest.peak:.1f} at most; it alarms from"
            f" {self.threshold:.1f} on."
        )


@dataclass(frozen=True, slots=True)
class VersionsCompared:
    """Two versions on the same stretch."""

    monitor: str
    entity: str
    alert: int | None
    """Whose records they were; None for an entity's latest."""
    times: tuple[datetime, ...]
    """[N]"""
    first: VersionOnStretch
    second: VersionOnStretch

    @property
    def in_words(self) -> tuple[str, str]:
        """A sentence for each."""
        return self.first.in_words, self.second.in_words


def compare_versions(
    engine: Engine,
    load: Load,
    monitor: str,
    versions: tuple[int, int],
    *,
    alert: int | None = None,
    entity: str | None = None,
) -> VersionsCompared:
    """Two versions of a monitor on an alert's records or on an entity's latest: exactly one of them is named.

    Raises NotFound, InvalidInput, BundleRefused where a version cannot be opened, Unavailable.
    """
    if (alert is None) == (entity is None):
        raise InvalidInput("name the stretch by an alert or by an entity: one of them")
    if versions[0] == versions[1]:
        raise InvalidInput(f"version {versions[0]} is compared with itself; name another one")
    known = registered_monitor(engine, monitor)
    owner, kept = _of_alert(engine, monitor, alert) if alert is not None else _of_entity(engine, monitor, entity or "")
    first, second = (_on_stretch(engine, load, known, version, owner, kept) for version in versions)
    return VersionsCompared(monitor, owner, alert, tuple(time for time, _ in kept), first, second)


Kept = Sequence[tuple[datetime, dict[str, Value]]]


def _of_alert(engine: Engine, name: str, alert: int) -> tuple[str, Kept]:
    detail = alert_detail(engine, alert)
    if detail is None or detail.alert.monitor != name:
        raise NotFound(f"{name} has no alert {alert}")
    kept = {point.time: point.values for point in detail.trace} | {one.time: one.values for one in detail.flagged}
    if not kept:
        raise InvalidInput(f"alert {alert} has no records to score: its entity {detail.alert.kind.in_words}")
    return detail.alert.entity, sorted(kept.items(), key=lambda each: each[0])


def _of_entity(engine: Engine, name: str, entity: str) -> tuple[str, Kept]:
    points = trace(engine, name, entity, MOST_RECORDS)
    if not points:
        raise NotFound(f"nothing was kept of entity {entity!r} of {name}; the live page lists those there are")
    return entity, [(point.time, point.values) for point in points]


def _on_stretch(engine: Engine, load: Load, monitor: Monitor, number: int, entity: str, kept: Kept) -> VersionOnStretch:
    version = ModelRegistry(engine).version(monitor.name, number)
    exceptions = exceptions_in_force(engine, monitor.name)
    bare = load(version.bundle)
    rules, threshold = FeatureRules.of(monitor.record, bare.schema), bare.threshold(monitor.alert)
    detector = acting_under(asking(under_weights(bare, rules.weights), threshold, monitor.alert.after_step), exceptions)
    batch = batch_of(detector.schema, entity, [time for time, _ in kept], [values for _, values in kept])
    contexts = RunningContext(detector.context).extend(batch)
    scores = detector.score(batch, contexts)
    rows = decide(detector, rules, threshold, batch, contexts, scores, exceptions).rows
    surprises = scores.surprise.astype(float)
    breaks = np.flatnonzero(np.diff(batch.times[rows]) > monitor.alert.gap(detector.cadence).total_seconds() * 1e6) + 1
    raised = tuple(
        Raised(
            from_microseconds(int(batch.times[run[0]])),
            from_microseconds(int(batch.times[run[-1]])),
            float(surprises[run].max()),
        )
        for run in np.split(rows, breaks)
        if len(run)
    )
    return VersionOnStretch(number, threshold, tuple(surprises.tolist()), len(rows), raised)
