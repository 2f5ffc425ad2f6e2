"""An ensemble of autoencoders that see, beside a record's context, the nearest prototype of normal context.

features [N, D] → standardised, beside their nearest prototype → M members' residuals [M, N, D] and codes [M, N, K]

It predicts prototype plus correction, so that what is near normal is easy and what is far must be explained. The features
are standardised one by one, not whitened: a whitening learned on all rows would make the rows that members are calibrated
on look nearer than fresh ones, badly so where there are few rows and many channels. For the same reason a row's prototypes
come from other folds.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.network import Network

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Standardised:
    """Features less their mean, by their standard deviation."""

    centre: Floats
    """[D] mean of each feature."""
    scale: Floats
    """[D] standard deviation of each feature; 0 where it never moves: then it is left out."""

    @property
    def factor(self) -> Floats:
        """[D] what is multiplied with."""
        return np.where(self.scale > 0, 1 / np.where(self.scale > 0, self.scale, 1), 0).astype(np.float32)

    def __call__(self, features: Floats) -> Floats:
        """[N, D] -> [N, D]"""
        out: Floats = (features - self.centre) * self.factor
        return out


@dataclass(frozen=True, slots=True)
class Retrieval:
    """M members, and the prototypes that each has beside a row."""

    standardised: Standardised
    prototypes: Floats
    """[M, P, D] of standardised features; those of member m come from rows that it trained on."""
    network: Network

    def encode(self, features: Floats) -> Floats:
        """Codes [M, N, K] of features [N, D]."""
        rows = self.standardised(features)
        return self.network.encode(rows, nearest_of(rows, self.prototypes))

    def parts(self, features: Floats, member: int) -> tuple[Floats, Floats]:
        """Codes [M, N, K] and residuals [M, N, D] of features [N, D] beside one member's prototypes."""
        rows = self.standardised(features)
        nearest = nearest_of(rows, self.prototypes[member])
        codes = self.network.encode(rows, nearest)
        return codes, rows - self.network.decode(codes, nearest)


def nearest_of(rows: Floats, prototypes: Floats) -> Floats:
    """[N, D] the prototype nearest to each standardised row [N, D], of any number of them [..., D]."""
    known = prototypes.reshape(-1, rows.shape[1])
    distance = rows @ (-2.0 * known.T) + np.einsum("pk,pk->p", known, known)
    return np.asarray(known[distance.argmin(axis=1)], np.float32)
