"""How well drawn records can be told from real ones, and whether they repeat them.

real [N, F] + drawn [M, F] -> the AUC of a classifier between the two; the distance of drawn records to the nearest real one, by
that of real ones
"""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.spread import spread_over
from latentwatch.domain.record import Batch

MOST_ROWS = 4_000
"""Of each side."""
_FOLDS = 5


def as_columns(batch: Batch) -> NDArray[np.float64]:
    """[N, F] numbers and categories of records, a word as a number of its own and a missing value as NaN."""
    words = [
        np.array([np.nan if word is None else float(hash_of(word)) for word in column.tolist()])
        for column in batch.categories.T
    ]
    owners = np.array([float(hash_of(name)) for name in batch.entities.tolist()])
    return np.column_stack([batch.numbers.astype(np.float64), *words, owners])


def with_changes(stream: Batch) -> NDArray[np.float64]:
    """[N - 1, F] the same of one entity's records in time, but for the first, and how much each number changed since the one
    before: what makes a stream of records."""
    columns = as_columns(stream)
    changed = np.diff(columns[:, : stream.numbers.shape[1]], axis=0)
    return np.column_stack([columns[1:], changed])


def hash_of(word: str) -> int:
    """A number of 20 bits that a word always has."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(word.encode(), digest_size=3).digest()) >> 4


def told_apart(real: NDArray[np.float64], drawn: NDArray[np.float64], seed: int = 0) -> float:
    """The AUC, out of sample, of boosted trees between real and drawn rows; .5 where they cannot be told apart.

    Folds are shuffled: draws may come in an order of their own.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    size = min(MOST_ROWS, len(real), len(drawn))
    rows = np.concatenate([real[spread_over(len(real), size)], drawn[spread_over(len(drawn), size)]])
    which = np.repeat([0, 1], size)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    model = HistGradientBoostingClassifier(random_state=seed)
    found = cross_val_predict(model, rows, which, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(which, found))


def nearest_ratio(real: NDArray[np.float64], drawn: NDArray[np.float64]) -> float:
    """How far drawn rows lie from the nearest real one, by how far other real rows do, medians; near 0 where they repeat them.

    The real rows are parted at random; each column is measured by its spread, a missing value as the middle.
    """
    from scipy.spatial import KDTree

    middle, spread = np.nanmedian(real, axis=0), np.nanstd(real, axis=0)
    spread[spread == 0] = 1.0

    def scaled(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((np.where(np.isnan(rows), middle, rows) - middle) / spread)

    chosen = np.random.default_rng(0).permutation(len(real))[: 2 * MOST_ROWS]
    half = len(chosen) // 2
    known = KDTree(scaled(real[chosen[:half]]))
    others = known.query(scaled(real[chosen[half:]]))[0]
    mine = known.query(scaled(drawn[spread_over(len(drawn), half)]))[0]
    return float(np.median(mine) / max(float(np.median(others)), 1e-12))
