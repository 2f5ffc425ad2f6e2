"""Makes columns uncorrelated and of spread 1."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.affine import affine

Floats: TypeAlias = NDArray[np.float32]
_STILL = 1e-6
"""Standard deviation up to which a column never moves."""
_LEAST = 1e-8
"""Variance that every direction is taken to have at least."""


@dataclass(frozen=True, slots=True)
class Whitening:
    """(row - mean) @ matrix, row i by row i alone, bit for bit."""

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
        return affine(rows - self.mean, self.matrix, np.zeros(self.size, np.float32))


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
