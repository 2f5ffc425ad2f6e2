"""How sparsely a place in latent space is populated by normal records: three densities behind one interface.

codes [N, K] -> anomaly score [N], larger where normal records are rarer. All are half the log of a squared, whitened
distance, so that they add to the other components' on one scale. Row i depends on code i alone, bit for bit: a BLAS would
sum in an order that depends on how many rows it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.clustering import k_means
from latentwatch.detector.kernels import compiled_exactly
from latentwatch.detector.whitening import Whitening, fit_whitening
from latentwatch.domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]
DensityKind: TypeAlias = Literal["gaussian", "mixture", "prototypes"]
SMALLEST = 1e-4
"""Keeps the log of a squared distance finite."""


@compiled_exactly
def nearest_centre(white: Floats, centres: Floats, out: Floats) -> None:
    """Fill `out` [N] with the squared distance of each row [N, K] from the nearest centre; `centres` is [K, Q]."""
    squared = np.empty(centres.shape[1], np.float32)
    for n in range(white.shape[0]):
        squared[:] = np.float32(0.0)
        for i in range(centres.shape[0]):
            for q in range(centres.shape[1]):
                apart = white[n, i] - centres[i, q]
                squared[q] += apart * apart
        out[n] = squared.min()


def _half_log(squared: NDArray[Any]) -> Floats:
    scores: Floats = (0.5 * np.log(squared + SMALLEST)).astype(np.float32)
    return scores


@dataclass(frozen=True, slots=True)
class GaussianDensity:
    """One Gaussian: half the log of the mean squared whitened distance from the mean."""

    whitening: Whitening

    def anomaly_score(self, codes: Floats) -> Floats:
        squared = np.square(self.whitening(codes)).mean(axis=1)
        return _half_log(squared)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"mean": self.whitening.mean, "matrix": self.whitening.matrix}


@dataclass(frozen=True, slots=True)
class NearestCentreDensity:
    """Cluster centres: half the log of the mean squared whitened distance from the nearest of them."""

    whitening: Whitening
    prototypes: Floats
    """[Q, K] in whitened coordinates."""

    def anomaly_score(self, codes: Floats) -> Floats:
        squared = np.empty(len(codes), np.float32)
        nearest_centre(self.whitening(codes), np.ascontiguousarray(self.prototypes.T), squared)
        return _half_log(squared / self.whitening.size)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"mean": self.whitening.mean, "matrix": self.whitening.matrix, "prototypes": self.prototypes}


@dataclass(frozen=True, slots=True)
class MixtureDensity:
    """A mixture of Gaussians with diagonal covariances in whitened coordinates: half the log of its scaled potential.

    The anomaly score is 1/2 log(-2 log density, shifted to be positive, per dimension), so that it grows like the log of a
    distance far away.
    """

    whitening: Whitening
    means: Floats
    """[G, K]"""
    precisions: Floats
    """[G, K] inverse standard deviations."""
    offsets: Floats
    """[G] log weight plus log determinant, largest 0."""

    def anomaly_score(self, codes: Floats) -> Floats:
        white = self.whitening(codes)
        spread = np.square((white[:, None, :] - self.means) * self.precisions).sum(axis=2)
        potential = self.offsets - 0.5 * spread
        top = potential.max(axis=1)
        log_density = top + np.log(np.exp(potential - top[:, None]).sum(axis=1))
        lowest = np.log(len(self.offsets))
        squared = 2.0 * np.maximum(lowest - log_density, 0.0) / self.whitening.size
        return _half_log(squared)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "mean": self.whitening.mean,
            "matrix": self.whitening.matrix,
            "means": self.means,
            "precisions": self.precisions,
            "offsets": self.offsets,
        }


AnyDensity: TypeAlias = GaussianDensity | NearestCentreDensity | MixtureDensity
"""A fitted density. Immutable. `anomaly_score` gives [N] of codes [N, K], row i by code i alone; `arrays` is what a
bundle stores."""


def choose_density(rows: int) -> DensityKind:
    """What `density: auto` means: one Gaussian while there are too few rows to place prototypes, prototypes from then on.

    >>> choose_density(100), choose_density(5000)
    ('gaussian', 'prototypes')
    """
    return "gaussian" if rows < 500 else "prototypes"


def fit_density(kind: DensityKind, codes: Floats, seed: int = 0) -> AnyDensity:
    """Fit the density of that kind to the codes [N, K] of normal records, N >= 1."""
    whitening = fit_whitening(codes)
    if kind == "gaussian":
        return GaussianDensity(whitening)
    white = whitening(codes)
    count = int(np.clip(len(codes) // 50, 1, 32))
    centres, owner = k_means(white, count, seed)
    if kind == "prototypes":
        return NearestCentreDensity(whitening, centres)
    return _fit_mixture(whitening, white, centres, owner)


def _fit_mixture(whitening: Whitening, white: Floats, centres: Floats, owner: NDArray[np.intp]) -> MixtureDensity:
    """Expectation-maximisation from k-means; each component's variance is drawn to 1 by as many rows as dimensions."""
    prior = white.shape[1]
    share = np.eye(len(centres))[owner]
    for _ in range(10):
        weight = share.sum(axis=0)
        means = (share.T @ white + 1e-3 * centres) / (weight[:, None] + 1e-3)
        variance = (share.T @ white**2) / (weight[:, None] + 1e-9) - means**2
        variance = (weight[:, None] * np.maximum(variance, 0.0) + prior * 0.25) / (weight[:, None] + prior)
        offsets = np.log((weight + 1.0) / (weight.sum() + len(weight))) - 0.5 * np.log(variance).sum(axis=1)
        spread = (white**2) @ (1 / variance).T - 2 * white @ (means / variance).T + (means**2 / variance).sum(axis=1)
        potential = offsets - 0.5 * spread
        share = np.exp(potential - potential.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
    return MixtureDensity(
        whitening,
        means.astype(np.float32),
        (1 / np.sqrt(variance)).astype(np.float32),
        (offsets - offsets.max()).astype(np.float32),
    )


def density_from_bundle(arrays: Mapping[str, NDArray[Any]]) -> AnyDensity:
    """The density from what its `arrays` gave: their names tell its kind. Raises BundleRefused where shapes do not fit."""
    whitening = Whitening(arrays["mean"], arrays["matrix"])
    width = whitening.size
    if whitening.matrix.shape != (len(whitening.mean), width):
        raise BundleRefused("a density's whitening has a wrong shape; the bundle is damaged: train again")
    density: AnyDensity
    if "prototypes" in arrays:
        density = NearestCentreDensity(whitening, arrays["prototypes"])
    elif "means" in arrays:
        density = MixtureDensity(whitening, arrays["means"], arrays["precisions"], arrays["offsets"])
    else:
        density = GaussianDensity(whitening)
    wide = [array for name, array in density.arrays().items() if name in ("prototypes", "means", "precisions")]
    if any(array.ndim != 2 or array.shape[1] != width or array.shape != wide[0].shape for array in wide):
        raise BundleRefused("a density's components have a wrong shape; the bundle is damaged: train again")
    return density
