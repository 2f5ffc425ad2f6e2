"""What single factors of the present record's code say: the mutual information gap (Chen et al. 2018, eq. 6).

The model is of the record alone: with its past, load tells the operating mode as well as the mode itself does.
"""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score

from benchmarks.latent.places import HELD_OUT_DAY
from benchmarks.latent.rigs import BEGIN, Rigs
from latentwatch.detector.components.folds import time_blocks
from latentwatch.detector.latent.examples import TrainingPlan
from latentwatch.detector.latent.factors import to_factors
from latentwatch.detector.latent.state_model import StateModel, fit_state_model
from latentwatch.detector.sequences.channels import Channels
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]

CODE = 6
STEPS = 1_500
BINS = 20
FACTORS = ("mode", "voltage", "ambient")
_DAY_SECONDS = 86_400.0


def present_records(channels: Channels, batch: Batch) -> Floats:
    """[N, F] the sensors' channels of records, centred by entity; a missing value is at its level."""
    z, _ = channels.transform(batch)
    return np.nan_to_num(z[:, : len(batch.schema.numbers)])


def fit_present(records: Floats, seed: int) -> StateModel:
    """A variational state model of the records alone [N, F]."""
    folds, _ = time_blocks(np.zeros(len(records), np.intp), 0)
    plan = TrainingPlan(kind=ModelKind.VARIATIONAL, code=CODE, steps=STEPS, map_steps=STEPS, seed=seed)
    return fit_state_model(records, folds, plan, None, lambda _share: None)


def measure_factors(rigs: Rigs, channels: Channels, records: Floats, model: StateModel) -> dict[str, list[float]]:
    """MIG of the mode, the voltage and the day's ambient temperature, by the varimax factors of later records' codes."""
    turn = to_factors(records, model.encode(records))
    held = rigs.days(HELD_OUT_DAY, 1)
    factors = model.encode(present_records(channels, held)).astype(np.float64) @ turn
    return {"mig": [information_gap(factors, cause) for cause in _causes(held)]}


def information_gap(factors: NDArray[np.float64], cause: NDArray[np.intp]) -> float:
    """By how much the best of factors [N, K] tells more of a discrete cause [N] than the second best, by its entropy."""
    told = sorted(mutual_info_score(_binned(factor), cause) for factor in factors.T)
    return float((told[-1] - told[-2]) / mutual_info_score(cause, cause))


def _causes(batch: Batch) -> list[NDArray[np.intp]]:
    """[N] each of FACTORS. The plant does not tell its ambient temperature: what stands for it is the part that follows the
    day, 21 + 4 sin(day - 2.4)."""
    mode = np.unique(batch.categories[:, 0].astype(str), return_inverse=True)[1]
    voltage = batch.numbers[:, batch.schema.numbers.index("voltage")]
    since = (batch.times / 1e6 - BEGIN.timestamp()) / timedelta(seconds=_DAY_SECONDS).total_seconds()
    ambient = np.sin(2 * np.pi * since - 2.4)
    return [mode.astype(np.intp), _binned(np.nan_to_num(voltage, nan=float(np.nanmedian(voltage)))), _binned(ambient)]


def _binned(values: NDArray[np.floating]) -> NDArray[np.intp]:
    """[N] in which twentieth of the values each lies."""
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, values), np.intp)
