"""A plant of our own with known faults, by kind: what each method sees of a leak, a lag, a stuck sensor.

One rig, ten sensors, a relief valve and the operating mode as indicator columns; a missing value is the one before it.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.quality.cases import Numbers
from benchmarks.quality.datasets import Floats
from benchmarks.quality.measuring import exceedances, finite, fitted
from benchmarks.quality.methods import Method
from benchmarks.quality.metrics import auroc
from latentwatch.detector.faults import FaultKind
from latentwatch.domain.record import Batch
from latentwatch.plant import PLANT_FAULTS, Plant

START = datetime(2026, 3, 1, tzinfo=UTC)
HISTORY_RECORDS = 17_280
"""Two days, a record every ten seconds."""
STREAM_RECORDS = 6_000
SPACING_RECORDS = 600
AFTERMATH_RECORDS = 64
"""After a fault, what a method with a memory still holds of it; `auroc_apart` counts these rows neither way."""
KINDS = (*PLANT_FAULTS, FaultKind.SHIFT, FaultKind.NOISE)


def rig(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """Trained on two normal days; each kind of fault on its own later day; the promise on another normal day."""
    del folder, name
    plant = Plant(seed=seed, rigs=1)
    model, seconds = fitted(method, seed, as_matrix(plant.history(START, HISTORY_RECORDS)))
    numbers: dict[str, float] = {"fit_seconds": seconds}
    for day, kind in enumerate(KINDS, 3):
        batch, faults = plant.stream(START + timedelta(days=day), STREAM_RECORDS, (kind,), SPACING_RECORDS)
        truth, after = np.zeros(len(batch), bool), np.zeros(len(batch), bool)
        for fault in faults:
            truth[fault.rows] = True
            last = int(fault.rows[-1])
            after[last + 1 : last + 1 + AFTERMATH_RECORDS] = True
        scores, apart = finite(model.strangeness(as_matrix(batch))), truth | ~after
        numbers[f"{kind.value}/auroc"] = auroc(truth, scores)
        numbers[f"{kind.value}/auroc_apart"] = auroc(truth[apart], scores[apart])
    for metric in ("auroc", "auroc_apart"):
        numbers[metric] = float(np.mean([numbers[f"{kind.value}/{metric}"] for kind in KINDS]))
    if method.group == "ours":
        fresh = plant.history(START + timedelta(days=3 + len(KINDS)), HISTORY_RECORDS)
        numbers.update(exceedances(finite(model.strangeness(as_matrix(fresh)))))
    return numbers


def as_matrix(batch: Batch) -> Floats:
    """[N, F + modes] numbers with gaps carried forward, and an indicator column for each operating mode."""
    numbers = batch.numbers.astype(np.float64)
    rows = np.where(np.isnan(numbers), 0, np.arange(len(numbers))[:, None])
    carried = np.take_along_axis(numbers, np.maximum.accumulate(rows, axis=0), axis=0)
    modes = np.stack([batch.categories[:, 0] == mode for mode in ("eco", "normal", "boost")], axis=1)
    return np.hstack([np.nan_to_num(carried), modes.astype(np.float64)])
