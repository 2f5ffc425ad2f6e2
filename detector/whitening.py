"""Makes columns uncorrelated and of spread 1."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly

Floats: TypeAlias = NDArray[np.float32]
_STILL = 1e-6
"""Standard deviation up to which a column never moves."""
_LEAST = 1e-8
"""Variance that every direction is taken to have at least."""


@compiled_exactly
def _whiten(rows: Floats, mean: Floats, matrix: Floats, out: Floats) -> None:
    """Fill `out` [N, K] with (rows - mean) @ matrix."""
    for n in range(rows.shape[0]):
        out[n] = np.float32(0.0)
        for i in range(rows.shape[1]):
            apart = rows[n, i] - mean[i]
            for j in range(out.shape[1]):
                out[n, j] += apart * matrix[i, j]


@dataclass(frozen=True, slots=True)
class Whitening:
    """(row - mean) @ matrix, row i by row i alone, bit for bit: a BLAS sums in an order that depends on how many rows it is
    given."""

    mean: Floats
    """[D]"""
    matrix: Floats
    """[D, K]; rows of columns that never move are 0, K is the number of the others, at least 1."""

    @property
    def size(self) -> int:
        """K"""
        return int(self.matrix.shape[1])

    def __call__(self, rows: Floats) -> Floats:
        """[N, D] -> [N, K]"""
        out = np.empty((len(rows), self.size), np.float32)
        _whiten(np.ascontiguousarray(rows, np.float32), self.mean, self.matrix, out)
        return out


def fit_whitening(rows: Floats) -> Whitening:
    """From rows [N, D], N at least 1, by the covariance of the columns that move, shrunk towards a multiple of the identity
    (Ledoit and Wolf 2004). Columns must be on scales alike: one much smaller than the others would drown in that multiple."""
    from sklearn.covariance import ledoit_wolf

    wide = rows.astype(np.float64)
    mean = wide.mean(axis=0)
    moving = np.flatnonzero(wide.std(axis=0) > _STILL)
    matrix = np.zeros((rows.shape[1], max(1, len(moving))))
    if len(moving):
        covariance, _ = ledoit_wolf(wide[:, moving] - mean[moving], assume_centered=True)
        spread, directions = np.linalg.eigh(covariance)
        matrix[moving] = directions / np.sqrt(np.maximum(spread, _LEAST))
    return Whitening(mean.astype(np.float32), matrix.astype(np.float32))
