"""The latent space as people explore it: which code lies at a place of the map, and how usual a code is.

places [N, 2] -> codes [N, K]; codes -> share of normal records near them, and whether any lies there at all. Normal records are
the landmarks, which are from all of the time that the first version and this one learned from.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.latent.basis import Basis
from latentwatch.detector.latent.examples import Floats

_NEAREST = 8
"""Landmarks of whose codes the code of a place is the weighted mean."""
_CLOSE = 10
"""The landmark of this rank is, for half of all landmarks, as far away as codes that are called near."""
_OUTERMOST = 0.99
"""Share of the landmarks that are nearer to another one than a code may be where normal records lie."""


@dataclass(frozen=True)
class StateSpace:
    """Codes of normal records, and the map's axes."""

    basis: Basis

    @property
    def codes(self) -> Floats:
        """[L, K] of the landmarks."""
        return self.basis.codes

    @property
    def middle(self) -> Floats:
        """[K] the landmark nearest to the medians of all: a state that was seen."""
        offsets = (self.codes - np.median(self.codes, axis=0)) / self._scale
        return np.asarray(self.codes[int(np.argmin((offsets**2).sum(axis=1)))], np.float32)

    def reach(self, factor: int) -> tuple[float, float]:
        """Between which values of one of the K factors 98 % of normal records lie."""
        low, high = np.quantile(self.codes[:, factor], (0.01, 0.99))
        return float(low), float(high)

    def codes_at(self, places: Floats) -> Floats:
        """[N, K] codes that lie exactly at places [N, 2]: the mean of the landmarks around each, moved along the axes by the
        least that brings it there."""
        drawn = self.basis.places(self.codes)
        away = np.linalg.norm(places[:, None] - drawn[None], axis=2)
        nearest = np.argsort(away, axis=1, kind="stable")[:, :_NEAREST]
        distance = np.take_along_axis(away, nearest, axis=1)
        weight = 1 / np.maximum(distance, 1e-6 + 0.01 * distance.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        mean = (self.codes[nearest] * weight[:, :, None]).sum(axis=1)
        missing = places - self.basis.places(mean.astype(np.float32))
        return np.asarray(mean + missing @ np.linalg.pinv(self.basis.axes), np.float32)

    def share_near(self, codes: Floats) -> NDArray[np.float64]:
        """[N] the share of normal records near codes [N, K], 0 to 1."""
        return np.asarray((self._away(codes) <= self._close).mean(axis=1), np.float64)

    def lies_among_normal(self, codes: Floats) -> NDArray[np.bool_]:
        """[N] whether a normal record lies as near to each of codes [N, K] as normal ones lie to one another."""
        return np.asarray(self._away(codes).min(axis=1) <= self._outermost, np.bool_)

    def _away(self, codes: Floats) -> NDArray[np.float64]:
        """[N, L] distances to the landmarks, each dimension by its spread."""
        return np.asarray(np.linalg.norm((codes[:, None] - self.codes[None]) / self._scale, axis=2), np.float64)

    @property
    def _scale(self) -> Floats:
        spread = self.codes.std(axis=0)
        return np.where(spread > 0, spread, np.float32(1.0))

    @property
    def _close(self) -> float:
        return float(np.median(self._among[:, min(_CLOSE, self._among.shape[1] - 1)]))

    @property
    def _outermost(self) -> float:
        return float(np.quantile(self._among[:, 0], _OUTERMOST))

    @cached_property
    def _among(self) -> NDArray[np.float64]:
        """[L, L - 1] the landmarks' distances to one another, nearest first; of one landmark, none but zero."""
        away = np.sort(self._away(self.codes), axis=1)
        return away[:, 1:] if away.shape[1] > 1 else away
