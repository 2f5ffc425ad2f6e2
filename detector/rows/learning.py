"""Records in, a row detector out: features, model, then calibration on energies out of sample.

Batch -> FittedRecords -> RowDetector
"""

from dataclasses import dataclass

import numpy as np

from detector.rows.cascade import fit_cascade
from detector.rows.detector import RowDetector
from detector.rows.explanation import fit_map, keep_normal
from detector.rows.features import Features, fit_features
from detector.rows.fitting import FittedRows, Progress, fit_rows
from detector.rows.model import GLANCE, Energies, Work, join
from domain.monitor import ModelChoice, ModelKind
from domain.record import Batch

ENOUGH_TO_CALIBRATE = 1_000
"""Calibration records from which they alone say what is normal; with fewer, out-of-fold training records say it with them."""
MICROSECONDS_PER_DAY = 86_400e6


@dataclass(frozen=True, slots=True)
class FittedRecords:
    """A row model trained on records, not calibrated yet."""

    batch: Batch
    """The records it was trained on, those it looked at only."""
    features: Features
    rows: FittedRows
    choice: ModelChoice
    records_per_day: float


def fit_records(batch: Batch, choice: ModelChoice, progress: Progress) -> FittedRecords:
    """Train on normal records, at least one."""
    features = fit_features(batch, choice.seed)
    fitted, chosen = fit_rows(features.transform(batch), choice, progress)
    span = float(np.ptp(batch.times)) / MICROSECONDS_PER_DAY
    return FittedRecords(batch.take(chosen), features, fitted, choice, len(batch) / span if span > 0 else 0.0)


def calibrate_records(fitted: FittedRecords, calibration: Batch | None) -> RowDetector:
    """Calibrate on records that training did not see, or, where they are few, on its own out of fold as well."""
    model, rows = fitted.rows.model, fitted.rows
    fresh = (
        None if calibration is None or not len(calibration) else model.prepare(fitted.features.transform(calibration))
    )

    def judge(work: Work) -> Energies:
        if fresh is None:
            return rows.out_of_fold(work)
        later = model.energies(*fresh, work)
        if len(fresh[0]) >= ENOUGH_TO_CALIBRATE:
            return later
        return join(rows.out_of_fold(work), later)

    kind = ModelKind.DENOISING if fitted.choice.kind is ModelKind.AUTO else fitted.choice.kind
    codes = model.look(rows.values, rows.present, GLANCE).codes
    return RowDetector(
        features=fitted.features,
        model=model,
        cascade=fit_cascade(fitted.choice.effort, judge),
        normal=keep_normal(fitted.batch.take(rows.kept)),
        map=fit_map(codes, fitted.choice.seed),
        kind=kind.value,
        records_per_day=fitted.records_per_day,
    )
