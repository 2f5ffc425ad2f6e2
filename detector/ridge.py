"""Ridge regression of every column of a table on all others at once.

rows [N, P] → mean [P], inverse of the raised covariance [P, P]

The ridge is the number of columns over that of rows, in variances. With P the inverse of the covariance so raised and x a row
less its mean, column c differs from what the others predict by (P x)_c / P_cc.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NO_SPREAD = 1e-8
"""Variance up to which a column is a constant."""


@dataclass(frozen=True, slots=True)
class Regression:
    """What each column's relation to the others is made of."""

    mean: NDArray[np.float64]
    """[P]"""
    precision: NDArray[np.float64]
    """[P, P] symmetric, positive definite."""
    moving: NDArray[np.bool_]
    """[P] whether a column is more than a constant, whose own ridge is that of the typical variance."""


def regress(rows: NDArray[np.float32]) -> Regression:
    """Learn from rows [N, P], N at least 2."""
    values = rows.astype(np.float64)
    covariance = np.atleast_2d(np.cov(values.T))
    variance = np.diag(covariance)
    moving = variance > _NO_SPREAD
    typical = float(np.median(variance[moving])) if moving.any() else 1.0
    ridge = np.where(moving, variance, typical) * (rows.shape[1] / len(rows))
    precision = np.asarray(np.linalg.inv(covariance + np.diag(ridge)), np.float64)
    return Regression(values.mean(axis=0), precision, moving)


def varies(rows: NDArray[np.float32]) -> bool:
    """Whether any column of rows [N, P] is more than a constant."""
    return bool(rows.var(axis=0).max() > _NO_SPREAD)
