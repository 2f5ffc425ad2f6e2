"""History becomes a model: split, fit, calibrate.

history -> split -> FitSet, CalibrationSet, HoldoutSet -> fit(FitSet) -> calibrate(.., CalibrationSet) -> Trained

The three sets are three types, so that fitting on what must stay unseen is a type error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.bundle import Bundled
from latentwatch.detector.counting import counters_of, to_rates
from latentwatch.detector.forecasts.detector import ForecastDetector
from latentwatch.detector.forecasts.fitting import add_forecasts
from latentwatch.detector.interface import Detector
from latentwatch.detector.metrics import is_metric
from latentwatch.detector.rates import RateDetector, judging_rates
from latentwatch.detector.rows.detector import RowDetector
from latentwatch.detector.rows.learning import FittedRecords, calibrate_records, fit_records
from latentwatch.detector.sequences.choice import WINDOW, choose_window, neighbours_are_alike
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.fitting import FittedSequences, calibrate_sequences, fit_sequences
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Batch, concatenate

Progress: TypeAlias = Callable[[str, float], None]
"""Told the step and the share of it that is done, 0 to 1."""

Fitted: TypeAlias = FittedRecords | FittedSequences
"""A model that was trained, not calibrated yet."""

FEWEST_RECORDS = 20
"""Records below which nothing would be left to judge a model by."""
HOLDOUT_SHARE = 0.2
CALIBRATION_SHARE = 0.2
FEWEST_OF_AN_ENTITY = 5
"""Records of an entity from which a fifth of them is at least one."""
CALIBRATE_APART_FROM = 5_000
"""Records from which calibration gets its own stretch of time; with fewer, out-of-fold scores serve."""


@dataclass(frozen=True, slots=True)
class FitSet:
    """What a model is fitted on."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """What its anomaly scores are calibrated on; empty where they are cross-fitted within the fit set."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class HoldoutSet:
    """What it is judged by."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Split:
    """A history cut in order of time, with gaps between its parts."""

    fit: FitSet
    calibration: CalibrationSet
    holdout: HoldoutSet


@dataclass(frozen=True, slots=True)
class Trained:
    """A calibrated detector, and what it has not seen."""

    detector: Bundled
    holdout: Batch
    fit_rows: int
    seconds: float


def train(
    history: Batch,
    monitor: Monitor,
    progress: Progress | None = None,
    clock: Clock | None = None,
    replaced: Detector | None = None,
) -> Trained:
    """Train the monitor's detector on its history of normal records. Raises InvalidHistory where that cannot be done.

    `replaced` as `fit` has it.
    """
    clock = clock or SystemClock()
    started = clock.monotonic()
    tell = progress or _silently
    tell("split", 0.0)
    window = window_of(history, monitor)
    parts = split(history, window)
    fitted = fit(parts.fit, monitor.model, window, tell, replaced)
    tell("calibrate", 0.0)
    detector = calibrate(fitted, parts.fit, parts.calibration)
    tell("calibrate", 1.0)
    return Trained(
        detector,
        parts.holdout.batch,
        len(parts.fit.batch),
        clock.monotonic() - started,
    )


def window_of(history: Batch, monitor: Monitor) -> int:
    """How far back records are looked at: as the monitor says, or, for `auto`, as the data say."""
    if monitor.window != "auto":
        return monitor.window if monitor.model.kind is not ModelKind.WINDOWED else max(monitor.window, 2)
    if monitor.model.kind is ModelKind.WINDOWED:
        return WINDOW
    if not len(history):
        return 1
    ordered = _in_time_order(history)
    ordered = to_rates(ordered, counters_of(ordered))[0]
    return WINDOW if is_metric(ordered) else choose_window(ordered)


def split(history: Batch, window: int, normal: NDArray[np.bool_] | None = None) -> Split:
    """Cut each entity's history: its last fifth is held out, and a fifth of the rest calibrates where there is enough.

    Between parts lies a gap as long as a context reaches, at most a fiftieth of the entity's records. Cutting by entity
    rather than by the clock keeps every entity in every part, also where entities come one after another, such as the
    runs of a test bed; where they run side by side it is the same. A model with a window calibrates in time blocks of
    its own fit set.

    `normal` [N] are records that people called normal: wherever they lie, they are fitted on. Among what calibrates, they
    would raise the threshold for all others, and nothing would learn of them.
    """
    if normal is not None and normal.any():
        rest = split(history.take(~normal), window)
        fitted = _in_time_order(concatenate([rest.fit.batch, history.take(normal)]))
        return Split(FitSet(fitted), rest.calibration, rest.holdout)
    if len(history) < FEWEST_RECORDS:
        raise InvalidHistory(
            f"the history holds {len(history)} usable records, at least {FEWEST_RECORDS} are needed; "
            "give a longer one, or check that its columns are those of the monitor"
        )
    ordered = _in_time_order(history)
    rank, size = _rank_within_entity(ordered)
    gap = np.minimum(size // 50, 4 * window) if window > 1 else size // 100
    held = np.rint(size * (1.0 - HOLDOUT_SHARE)).astype(np.intp)
    end = held - gap
    holdout = HoldoutSet(ordered.take(rank >= held))
    learnable = int((rank < end).sum())
    if window > 1 or learnable < CALIBRATE_APART_FROM:
        return Split(FitSet(ordered.take(rank < end)), CalibrationSet(ordered.take(slice(0, 0))), holdout)
    middle = np.rint(end * (1.0 - CALIBRATION_SHARE)).astype(np.intp)
    return Split(
        FitSet(ordered.take(rank < middle - gap)),
        CalibrationSet(ordered.take((rank >= middle) & (rank < end))),
        holdout,
    )


def _rank_within_entity(ordered: Batch) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """[N] how many records of its entity come before each row, and [N] how many it has in all; short ones count as one."""
    _, owners, sizes = np.unique(ordered.entities.astype(str), return_inverse=True, return_counts=True)
    _, owners, sizes = np.unique(
        np.where(sizes[owners] < FEWEST_OF_AN_ENTITY, -1, owners), return_inverse=True, return_counts=True
    )
    by_entity = np.argsort(owners, kind="stable")
    rank = np.empty(len(owners), np.intp)
    rank[by_entity] = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank, sizes[owners]


def fit(
    fit_set: FitSet,
    choice: ModelChoice,
    window: int,
    progress: Progress | None = None,
    replaced: Detector | None = None,
) -> Fitted:
    """Fit the model of records on their own (window 1) or of sequences.

    Where `replaced`, the version that serves now, is a model of the same family, its map is kept: records like those before lie
    where they lay.
    """
    tell = progress or _silently
    batch, _ = to_rates(fit_set.batch, counters_of(fit_set.batch))
    before = replaced.inner if isinstance(replaced, RateDetector) else replaced
    if window <= 1:
        return fit_records(batch, choice, tell, before if isinstance(before, RowDetector) else None)
    before = before.components if isinstance(before, ForecastDetector) else before
    before = before if isinstance(before, SequenceDetector) else None
    return fit_sequences(batch, choice, window, tell, before)


def calibrate(fitted: Fitted, fit_set: FitSet, calibration: CalibrationSet) -> Bundled:
    """Turn anomaly scores into surprises, on records that the model was not fitted on, or each by what did not see it."""
    return _calibrate(fitted, fit_set, calibration)[0]


def _calibrate(
    fitted: Fitted, fit_set: FitSet, calibration: CalibrationSet
) -> tuple[Bundled, NDArray[np.float32] | None]:
    counters = counters_of(fit_set.batch)
    batch, usual = to_rates(fit_set.batch, counters)
    surprise: NDArray[np.float32] | None = None
    if isinstance(fitted, FittedRecords):
        later = to_rates(calibration.batch, counters)[0]
        remembers = batch.schema.time is not None and neighbours_are_alike(batch)
        detector: Bundled = calibrate_records(fitted, batch, later, remembers=remembers)
    else:
        judged, surprise = add_forecasts(*calibrate_sequences(fitted, batch), batch)
        detector = cast(Bundled, judged)
    return judging_rates(detector, fit_set.batch, counters, usual) if counters else detector, surprise


def learn(records: Batch, choice: ModelChoice, window: int, progress: Progress | None = None) -> Bundled:
    """Fit and calibrate on all records at once, at least one: calibration is out of fold. For tables without a time."""
    return learn_and_judge(records, choice, window, progress)[0]


def learn_and_judge(
    records: Batch, choice: ModelChoice, window: int, progress: Progress | None = None
) -> tuple[Bundled, NDArray[np.float32] | None]:
    """`learn`, and with a window the surprise [N] of each record by what did not learn from it; without one None, since
    the detector knows the records that it learned from and needs only be asked."""
    everything, nothing = FitSet(records), CalibrationSet(records.take(slice(0, 0)))
    return _calibrate(fit(everything, choice, window, progress), everything, nothing)


def _in_time_order(history: Batch) -> Batch:
    return history.take(np.argsort(history.times, kind="stable"))


def _silently(step: str, share: float) -> None:
    """Progress that nobody watches."""
