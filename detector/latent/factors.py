"""Codes read through their factors: the rotation in which each column of the records depends on few of them."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.latent.examples import Floats

_ROUNDS = 100
_STILL = 1e-6
"""Radians of a turn below which nothing turns any more."""


def loadings_of(rows: Floats, codes: Floats) -> NDArray[np.float64]:
    """[K, D] what a unit of each whitened code adds to each column of rows [N, D], by least squares on codes [N, K]."""
    return np.asarray(np.linalg.pinv(whitened(codes)[0]) @ (rows - rows.mean(axis=0)), np.float64)


def whitened(codes: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Codes [N, K] with the identity as their covariance, and the map [K, K] that makes it so."""
    centred = codes.astype(np.float64) - codes.mean(axis=0)
    spread, axes = np.linalg.eigh(centred.T @ centred / max(1, len(codes) - 1))
    to_white = axes / np.sqrt(np.maximum(spread, 1e-6))
    return centred @ to_white, to_white


def varimax(loadings: NDArray[np.float64]) -> NDArray[np.float64]:
    """[K, K] the rotation R by which R' loadings [K, D] have the largest variance of squares, by turning one pair of factors
    after another by the best angle (Kaiser 1958)."""
    count, columns = loadings.shape
    turned, rotation = loadings.T.copy(), np.eye(count)
    for _ in range(_ROUNDS):
        largest = 0.0
        for one, other in combinations(range(count), 2):
            x, y = turned[:, one], turned[:, other]
            u, v = x**2 - y**2, 2 * x * y
            up = 2 * (u @ v - u.sum() * v.sum() / columns)
            along = u @ u - v @ v - (u.sum() ** 2 - v.sum() ** 2) / columns
            angle = np.arctan2(up, along) / 4
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            for matrix in (turned, rotation):
                matrix[:, [one, other]] = matrix[:, [one, other]] @ turn
            largest = max(largest, abs(angle))
        if largest < _STILL:
            break
    return rotation


def to_factors(rows: Floats, codes: Floats) -> NDArray[np.float64]:
    """[K, K] the map from codes [N, K] of rows [N, D] to their varimax factors: of variance 1, the strongest first."""
    loadings = loadings_of(rows, codes)
    rotation = varimax(loadings)
    turned = rotation.T @ loadings
    order = np.argsort(-(turned**2).sum(axis=1), kind="stable")
    signs = np.sign(turned[np.arange(len(turned)), np.abs(turned).argmax(axis=1)])[order]
    return np.asarray(whitened(codes)[1] @ rotation[:, order] * np.where(signs == 0, 1.0, signs), np.float64)
