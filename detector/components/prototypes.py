"""How sparsely normal records populate the place where a record stands: whitened prototypes.

features [N, D] → whitened [N, K] → anomaly score [N], half the log squared distance to the nearest prototype
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.clustering import k_means
from latentwatch.detector.spread import spread_over
from latentwatch.detector.whitening import fit_whitening

Floats = NDArray[np.float32]

_FIT_ROWS = 40_000
_CLUSTER_ROWS = 8_000
_NEAR = 0.05
"""Squared distance per dimension below which nothing is gained by being nearer."""
_ALIKE = 1e-3
"""The same of windows, whose segments average out noise."""


@dataclass(frozen=True, slots=True)
class PrototypeDensity:
    """Prototypes of normal records in whitened features, by matrix products: of context rows, which are wide, they take a third of
    the time of `latentwatch.detector.density`, whose every bit is the same alone and in a batch (.5 and 1.6 us a record of 14
    channels)."""

    mean: Floats
    """[D]"""
    whitening: Floats
    """[D, K]; rows of features that never move are 0."""
    prototypes: Floats
    """[P, K]"""
    offset: Floats = field(init=False, repr=False, compare=False)
    """[K] the whitened mean."""
    pull: Floats = field(init=False, repr=False, compare=False)
    """[P, K] minus twice the prototypes."""
    squares: Floats = field(init=False, repr=False, compare=False)
    """[P, 1] squared lengths of the prototypes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "offset", self.mean @ self.whitening)
        object.__setattr__(self, "pull", np.asarray(-2.0 * self.prototypes, np.float32))
        object.__setattr__(self, "squares", np.einsum("pk,pk->p", self.prototypes, self.prototypes)[:, None])

    def whiten(self, features: Floats) -> Floats:
        """[N, D] -> [N, K]"""
        out: Floats = features @ self.whitening
        out -= self.offset
        return out

    def beyond(self, whitened: Floats) -> Floats:
        """[P, N] squared distance to each prototype, less the squared length of the row, which is the same for all.

        Rows lie side by side, since numpy finds the smallest of a column for many rows at once, of a row one by one.
        """
        out: Floats = self.pull @ whitened.T
        out += self.squares
        return out

    def anomaly_score(self, features: Floats) -> Floats:
        """[N]"""
        whitened = self.whiten(features)
        nearest = self.beyond(whitened).min(axis=0)
        nearest += np.einsum("nk,nk->n", whitened, whitened)
        return half_log(nearest, self.whitening.shape[1], _NEAR)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"mean": self.mean, "whitening": self.whitening, "prototypes": self.prototypes}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`. Raises ValueError where shapes do not fit each other."""
        mean, whitening, prototypes = (arrays[name] for name in ("mean", "whitening", "prototypes"))
        if whitening.shape != (len(mean), prototypes.shape[1]):
            raise ValueError("prototypes and whitening do not fit each other")
        return cls(mean, whitening, prototypes)


@dataclass(frozen=True, slots=True)
class UsualShapes:
    """Shapes that windows usually have: half the log squared distance per number to the nearest.

    Whitening would give the directions in which windows hardly ever differ, which are noise, as much weight as any.
    """

    rows: Floats
    """[P, D]"""
    pull: Floats = field(init=False, repr=False, compare=False)
    """[D, P] minus twice the rows."""
    squares: Floats = field(init=False, repr=False, compare=False)
    """[P] squared lengths of the rows."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pull", np.ascontiguousarray(-2.0 * self.rows.T))
        object.__setattr__(self, "squares", np.einsum("pd,pd->p", self.rows, self.rows))

    def anomaly_score(self, features: Floats) -> Floats:
        """[N]"""
        out: Floats = features @ self.pull
        out += self.squares
        nearest = out.min(axis=1)
        nearest += np.einsum("nd,nd->n", features, features)
        return half_log(nearest, self.rows.shape[1], _ALIKE)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"rows": self.rows}


def half_log(squared: Floats, width: int, floor: float) -> Floats:
    """[N] half the log of squared distances per dimension; rounding may have made them a little negative."""
    squared *= np.float32(1 / width)
    np.maximum(squared, np.float32(0), out=squared)
    squared += np.float32(floor)
    np.log(squared, out=squared)
    squared *= np.float32(0.5)
    return squared


def fit_shapes(features: Floats, count: int, seed: int) -> UsualShapes:
    """The `count` usual shapes of windows [N, D]: centres of k-means."""
    return UsualShapes(k_means(features[spread_over(len(features), _CLUSTER_ROWS)], count, seed)[0])


def fit_prototypes(features: Floats, prototypes: int, seed: int) -> PrototypeDensity:
    """Whitening, then k-means prototypes; features [N, D], N at least 2."""
    whitening = fit_whitening(features[spread_over(len(features), _FIT_ROWS)])
    density = PrototypeDensity(whitening.mean, whitening.matrix, np.zeros((1, 1), np.float32))
    whitened = density.whiten(features[spread_over(len(features), _CLUSTER_ROWS)])
    return PrototypeDensity(whitening.mean, whitening.matrix, k_means(whitened, prototypes, seed)[0])
