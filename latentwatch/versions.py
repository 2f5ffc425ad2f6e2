"""Estimators from notebooks and versions of monitors: either becomes the other.

The database and the bundles are those of the settings, as for every command.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from latentwatch.alerts.monitors import register_monitor, registered_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.bundle import load_bundle, save_bundle
from latentwatch.detector.evaluation import evaluate
from latentwatch.detector.judging import judge
from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model import ModelVersion
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.domain.schema import Feature, RecordSchema
from latentwatch.history import read_history
from latentwatch.retraining import evaluate_champion
from latentwatch.settings import load_settings
from latentwatch.wiring import ASKING_SECONDS, ready_database, serving_version

if TYPE_CHECKING:
    from latentwatch.detector.estimator import LatentDetector


def open_version(monitor: str, version: int | None = None) -> "LatentDetector":
    """The estimator of a registered monitor's version, by default of the one that serves, at the monitor's threshold.

    Raises NotFound for a monitor or version that is not there, InvalidInput where none serves, BundleRefused where its
    bundle cannot be used, Unavailable where the database is away.
    """
    from latentwatch.detector.estimator import LatentDetector

    settings = load_settings()
    engine = ready_database(settings, patience_seconds=ASKING_SECONDS)
    try:
        known = registered_monitor(engine, monitor)
        found = serving_version(ModelRegistry(engine), known, version)
    finally:
        engine.dispose()
    detector = load_bundle(settings.bundles, found.bundle)
    parameters = {"effort": known.model.effort, "random_state": known.model.seed}
    estimator = LatentDetector.of_detector(detector, detector.threshold(known.alert), **parameters)
    estimator.n_samples_fit_ = found.trained_records
    if found.history_start is not None and found.history_end is not None:
        estimator.span_ = to_microseconds(found.history_start), to_microseconds(found.history_end)
    return estimator


def add_version(estimator: "LatentDetector", monitor_file: str | Path, holdout: Sequence[str] = ()) -> ModelVersion:
    """Register a fitted estimator as the next version of a monitor, whose alert policy sets its threshold from then on.

    Without `holdout` it waits as a candidate until somebody promotes it. With files of normal records that it did not
    learn from it is measured and judged beside the champion, as after a training, and serves at once if it is let in.

    Raises InvalidInput where it does not score the monitor's records as they are, saying what to fit in its place;
    InvalidMonitor, InvalidHistory, and Unavailable where the database is away.
    """
    settings, monitor = load_settings(), load_monitor(monitor_file)
    detector, policy = estimator.detector_.reading(_as_recorded(estimator, monitor)), monitor.alert
    normal = read_history(monitor.record, holdout).narrowed(detector.schema) if holdout else None
    evaluation = None if normal is None else evaluate(detector, normal, policy)
    engine = ready_database(settings, patience_seconds=ASKING_SECONDS)
    try:
        register_monitor(engine, monitor)
        registry = ModelRegistry(engine)
        champion = registry.champion(monitor.name)
        start, end = (None, None) if estimator.span_ is None else map(from_microseconds, estimator.span_)
        version = registry.register(
            monitor.name,
            save_bundle(detector, settings.bundles),
            detector.kind,
            trained_records=estimator.n_samples_fit_ or 0,
            history_start=start,
            history_end=end,
            evaluation=evaluation,
        )
        if normal is None or evaluation is None:
            return version
        rival = None if champion is None else evaluate_champion(champion, settings, monitor, normal)
        unfit = champion.version if champion is not None and rival is None else None
        return registry.judge(monitor.name, version.version, judge(evaluation, rival, unfit))
    finally:
        engine.dispose()


def _as_recorded(estimator: "LatentDetector", monitor: Monitor) -> RecordSchema:
    """What the estimator learned from, where the monitor's records have it. Raises InvalidInput where they do not."""
    moved = estimator.reading_.moved
    if moved:
        raise InvalidInput(
            f"the estimator takes a level off {', '.join(moved)}, which lie so far from 0 that single precision would blur "
            "them, and a monitor's records come without that; take it off in the stream, or leave them out"
        )
    learned, record = estimator.schema_, monitor.record
    there = {feature.name: feature for feature in record.features}
    features = [
        there[feature.name] if _alike(feature, there.get(feature.name)) else feature for feature in learned.features
    ]
    nameless = estimator.reading_.timed and learned.time is None
    time = record.time if nameless or estimator.window_ == 1 else learned.time  # alone, none is needed
    nameless = estimator.reading_.grouped and (learned.entity is None or not isinstance(record.entity, str))
    placed = RecordSchema(
        **{
            **{name: getattr(record, name) for name in RecordSchema.model_fields},
            "time": time,
            "entity": record.entity if nameless else learned.entity,
            "timezone": learned.timezone,
            "features": features,
        }
    )
    found = placed.compared_with(record)
    if not found.prevent_scoring:
        return placed
    wrong = [*(f"{name!r} is no field of the monitor" for name in found.lost), *found.changed]
    roles = {"groups": (placed.entity, record.entity), "times": (placed.time, record.time)}
    asked = [f"{role}={now!r}" for role, (was, now) in roles.items() if was != now and now is not None]
    raise InvalidInput(
        f"the estimator does not read records as monitor {monitor.name!r} has them: {'; '.join(wrong)}. "
        + (f"Fit it with {', '.join(asked)}, or correct the monitor" if asked else "Fit it on the monitor's fields")
    )


def _alike(feature: Feature, now: Feature | None) -> bool:
    return now is not None and (feature.type, feature.period) == (now.type, now.period)
