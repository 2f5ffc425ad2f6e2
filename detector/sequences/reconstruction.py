"""The autoencoder's part: how badly context is reconstructed, and how sparsely its latent code is populated.

features [N, D] → standardised, beside their nearest prototype → M members' residuals [M, N, D] and codes [M, N, K]

The features are standardised one by one, not whitened: a whitening learned on all rows would make the rows that members
are calibrated on look nearer than fresh ones, badly so where there are few rows and many channels. For the same reason a row's prototypes come from other time blocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.parts import below
from latentwatch.detector.sequences.densities import PrototypeDensity
from latentwatch.detector.sequences.folding import Folded

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """An ensemble that sees, beside the context, the nearest prototype of normal context.

    It predicts prototype plus correction, so that what is near normal is easy and what is far must be explained.
    """

    centre: Floats
    """[D] mean of each feature."""
    scale: Floats
    """[D] standard deviation of each feature; 0 where it never moves: then it is left out."""
    prototypes: Floats
    """[M, P, D] of standardised features; those of member m come from rows that it trained on."""
    network: Network
    residuals: PrototypeDensity
    """How residuals of normal records lie that the network did not train on: one prototype, their mean."""
    codes: tuple[PrototypeDensity, ...]
    """Density of normal codes, one per member."""
    folded: Folded | None = field(init=False, repr=False, compare=False)
    """The same for scoring; none before it is trained."""

    def __post_init__(self) -> None:
        known = self.prototypes.reshape(-1, self.prototypes.shape[2])
        trained = bool(self.network.encoder)
        object.__setattr__(
            self, "folded", Folded.of(self.network, known, self.centre, self._factor) if trained else None
        )

    @property
    def _factor(self) -> Floats:
        return np.where(self.scale > 0, 1 / np.where(self.scale > 0, self.scale, 1), 0).astype(np.float32)

    def standardise(self, features: Floats) -> Floats:
        """[N, D] -> [N, D]"""
        out: Floats = (features - self.centre) * self._factor
        return out

    def nearest(self, rows: Floats, member: int | None = None) -> Floats:
        """[N, D] the prototype nearest to each standardised row, of one member's or of all."""
        known = self.prototypes.reshape(-1, rows.shape[1]) if member is None else self.prototypes[member]
        distance = rows @ (-2.0 * known.T) + np.einsum("pk,pk->p", known, known)
        return np.asarray(known[distance.argmin(axis=1)], np.float32)

    def encode(self, features: Floats) -> Floats:
        """Codes [M, N, K] of features [N, D]."""
        rows = self.standardise(features)
        return self.network.encode(rows, self.nearest(rows))

    def parts(self, features: Floats, member: int | None = None) -> tuple[Floats, Floats]:
        """Codes [M, N, K] and residuals [M, N, D] of features [N, D], with one member's prototypes or with all."""
        rows = self.standardise(features)
        nearest = self.nearest(rows, member)
        codes = self.network.encode(rows, nearest)
        return codes, rows - self.network.decode(codes, nearest)

    def energies(self, features: Floats) -> tuple[Floats, Floats]:
        """Reconstruction and density energy [N] of the whole ensemble."""
        if self.folded is None:
            raise ValueError("the autoencoder is not trained")
        codes, residuals = self.folded(features)
        sparse = self.codes[0].energy(codes[0])
        for part, code in zip(self.codes[1:], codes[1:], strict=True):
            sparse += part.energy(code)
        sparse *= np.float32(1 / len(self.codes))
        return self.residuals.energy(residuals), sparse

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        codes = {
            f"code.{member}.{name}": array for member, d in enumerate(self.codes) for name, array in d.arrays().items()
        }
        residuals = {f"residual.{name}": array for name, array in self.residuals.arrays().items()}
        own = {"centre": self.centre, "scale": self.scale, "prototypes": self.prototypes}
        return {**own, **codes, **residuals, **{f"network.{k}": v for k, v in self.network.arrays().items()}}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`. Raises ValueError where shapes do not fit each other."""
        network = Network.from_bundle(below(arrays, "network."))
        centre, scale, prototypes = (arrays[name] for name in ("centre", "scale", "prototypes"))
        residuals = PrototypeDensity.from_bundle(below(arrays, "residual."))
        if residuals.mean.shape != centre.shape or scale.shape != centre.shape or prototypes.shape[2:] != centre.shape:
            raise ValueError("the parts of the reconstruction do not fit each other")
        codes = tuple(PrototypeDensity.from_bundle(below(arrays, f"code.{m}.")) for m in range(network.members))
        return cls(centre, scale, prototypes, network, residuals, codes)
