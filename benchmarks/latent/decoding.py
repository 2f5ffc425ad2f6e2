"""What lies between two codes, and whether an adversarial code is what it is meant to be."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

from benchmarks.latent.rigs import Rigs, context_rows, spread_over, trained
from benchmarks.quality.metrics import auroc
from latentwatch.detector.latent.state_model import StateModel
from latentwatch.domain.model_choice import ModelKind

Floats = NDArray[np.float32]

COMPARED = 4_000
"""Rows of either side that a classifier is to tell apart, at most."""
_FOLDS = 4
_PAIRS = 1_000


def told_apart(real: NDArray[np.floating], made: NDArray[np.floating], seed: int) -> float:
    """AUROC by which boosted trees tell rows [N, D] from rows [M, D] that they did not learn from; .5 where they cannot.

    Folds are shuffled: rows that come in an order would be told by it.
    """
    rows = np.concatenate([real, made])
    truth = np.repeat([False, True], [len(real), len(made)])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    trees = HistGradientBoostingClassifier(random_state=seed)
    found = cross_val_predict(trees, rows, truth, cv=folds, method="predict_proba")[:, 1]
    return auroc(truth, found)


def measure_midpoint(records: Floats, later: Floats, model: StateModel, seed: int) -> dict[str, float]:
    """How far the decoded mean between two records' codes is from the nearest training record, of how far a later record is.

    Distances are by standardised columns; 1 is typical. The middle of the straight line between the records stands beside it.
    `records` [N, F] are what the model learned from, `later` [M, F] normal ones of another day: those of the same minutes lie
    closer than any fresh one.
    """
    random = np.random.default_rng(seed)
    rows = records[spread_over(len(records), 2 * COMPARED)]
    near = NearestNeighbors().fit(model.standardised(rows))
    fresh = later[spread_over(len(later), COMPARED)]
    typical = np.median(near.kneighbors(model.standardised(fresh), 1)[0])
    one, other = (rows[random.permutation(len(rows))[:_PAIRS]] for _ in range(2))
    half = np.float32(0.5)
    decoded = model.decode(half * (model.encode(one) + model.encode(other)))
    away = {"variational_midpoint": decoded, "straight_midpoint": half * (one + other)}
    return {
        name: float(np.median(near.kneighbors(model.standardised(middle), 1)[0]) / typical)
        for name, middle in away.items()
    }


def measure_adversarial(rigs: Rigs, seed: int) -> dict[str, float]:
    """Whether codes of the adversarial kind can be told from draws of N(0, I)."""
    history = rigs.days(0, 2)
    detector = trained(history, seed, ModelKind.ADVERSARIAL)
    features, warm = context_rows(detector, history)
    rows = features[warm]
    codes = detector.model.coded.codes(rows[spread_over(len(rows), COMPARED)])
    draws = np.random.default_rng(seed).normal(size=codes.shape)
    return {"adversarial_code_auc": told_apart(codes, draws, seed)}
