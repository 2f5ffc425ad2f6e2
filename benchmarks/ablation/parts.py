"""One fit, and what each of its parts says: enough to fuse them again without some of them.

OneFit -> SequenceParts, or of records that stand alone RowParts
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation.cases import HeldOutStretch, OneFit
from latentwatch.detector.forecasts.detector import ForecastDetector
from latentwatch.detector.forecasts.fitting import add_forecasts, read_history
from latentwatch.detector.forecasts.forecaster import Forecaster
from latentwatch.detector.forecasts.fusion import HistoryReadings
from latentwatch.detector.lately import memory_of
from latentwatch.detector.rows.fitting import FittedRows
from latentwatch.detector.rows.learning import FittedRecords
from latentwatch.detector.rows.model import GLANCE, STUDY, Work
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.fitting import FittedSequences, calibrate_sequences, judge_history
from latentwatch.detector.sequences.promise import HistoryScores
from latentwatch.detector.training import FitSet, fit
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]
WORKS = {"glance": GLANCE, "study": STUDY}


class PartScores(NamedTuple):
    """What the components say of N tested records."""

    surprises: Mapping[str, Floats]
    """[N] by name."""
    unsettled: Mapping[str, Floats]
    """The same with nothing taken off while a past is short."""
    novelty: Floats
    """[N]"""


class Forecast(NamedTuple):
    """What forecasts say of the history and of each tested stretch."""

    history: HistoryReadings
    tested: tuple[Floats, ...]
    """Of each stretch [N, C, READINGS]."""


@dataclass(frozen=True, slots=True)
class SequenceParts:
    """Of records that follow one another."""

    history: HistoryScores
    tested: tuple[PartScores, ...]
    memory: float
    """Records that lately remembers."""
    forecasts: Mapping[str, Forecast]
    """As they are, without a season, without the week; none where the records are no metrics."""
    follows: bool
    """Whether levels are followed."""


@dataclass(frozen=True, slots=True)
class RowParts:
    """Of records that stand alone: by kind of work, then by name [N]."""

    unseen: Mapping[str, Mapping[str, Floats]]
    """Of training rows, each by what did not learn from it."""
    kept: Mapping[str, Mapping[str, Floats]]
    """Of the rows that are kept, as they are when they come again."""
    tested: Mapping[str, Mapping[str, Floats]]
    known: NDArray[np.bool_]
    """[N] which of the tested rows are judged as ones that were learned from."""


Parts = SequenceParts | RowParts


def fit_parts(case: OneFit, choice: ModelChoice) -> Parts:
    """Fit a case and ask its parts."""
    fitted = fit(FitSet(case.train), choice, case.window)
    if isinstance(fitted, FittedRecords):
        return _of_rows(fitted, case.tested[0])
    return _of_sequences(fitted, case)


def _of_rows(fitted: FittedRecords, tested: HeldOutStretch) -> RowParts:
    rows, model = fitted.rows, fitted.rows.model
    everyone = np.arange(len(rows.values))
    values, present = model.prepare(fitted.features.transform(tested.batch))
    asked = {name: model.meet(values, present, work) for name, work in WORKS.items()}
    return RowParts(
        {name: _unseen(rows, work, everyone) for name, work in WORKS.items()},
        {name: _again(rows, work) for name, work in WORKS.items()},
        {name: model.anomaly_scores(met) for name, met in asked.items()},
        asked["study"].known,
    )


def _unseen(rows: FittedRows, work: Work, everyone: NDArray[np.intp]) -> dict[str, Floats]:
    by_fold = np.argsort(rows.folds, kind="stable")
    back = np.argsort(by_fold, kind="stable")
    return {name: part[back] for name, part in rows.scores_out_of_fold(work, everyone[by_fold]).items()}


def _again(rows: FittedRows, work: Work) -> dict[str, Floats]:
    present = rows.present if len(rows.present) == 1 else rows.present[rows.kept]
    return dict(rows.model.anomaly_scores(rows.model.meet(rows.values[rows.kept], present, work)))


def _of_sequences(fitted: FittedSequences, case: OneFit) -> SequenceParts:
    assert fitted.encoded is not None
    plain, surprise = calibrate_sequences(fitted, case.train)
    detector, _ = add_forecasts(plain, surprise, case.train)
    forecasts: dict[str, Forecast] = {}
    memory = 1.0
    if isinstance(detector, ForecastDetector):
        whole = detector.context.forecaster
        memory = memory_of(whole.daily)
        kinds = {
            "as it is": whole,
            "season": replace(whole, slots=np.zeros_like(whole.slots)),
            "week": replace(whole, cycles=np.where(whole.cycles == 1.0, 1.0 + 1e-9, whole.cycles)),
        }
        forecasts = {name: _read(plain, forecaster, case) for name, forecaster in kinds.items()}
    return SequenceParts(
        judge_history(fitted, fitted.encoded, plain.warm_up, plain.novelty),
        tuple(_told(plain, tested.batch) for tested in case.tested),
        memory,
        forecasts,
        plain.follows_drift,
    )


def _told(detector: SequenceDetector, batch: Batch) -> PartScores:
    contexts = RunningContext(detector.context).extend(batch)
    raw = detector.model.anomaly_scores(contexts.features)
    calibration = detector.calibration
    return PartScores(
        calibration.surprises(detector.warm_up.settle(raw, contexts.seen)),
        calibration.surprises(raw),
        detector.novelty.surprise(detector.model.layout, contexts.features),
    )


def _read(detector: SequenceDetector, forecaster: Forecaster, case: OneFit) -> Forecast:
    channels = detector.context.channels
    history = read_history(forecaster, case.train, channels.scaled(case.train)[0])
    tested = []
    for one in case.tested:
        owners = np.zeros(len(one.batch), np.intp)
        states = history.states.copy()
        tested.append(forecaster.read(states, 0, owners, channels.scaled(one.batch)[0], one.batch.times).readings)
    return Forecast(history, tuple(tested))
