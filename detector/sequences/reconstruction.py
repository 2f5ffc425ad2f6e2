"""The autoencoder's part: how badly context is reconstructed, and how sparsely its latent code is populated.

features [N, D] → whitened [N, K] beside their nearest prototype → M members' residuals and codes
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from detector.autoencoders.network import Network
from detector.sequences.densities import PrototypeDensity

Floats = NDArray[np.float32]

_FLOOR = 0.02
"""Mean squared residual, in units of its training spread, below which nothing is gained."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """An ensemble that sees, beside the context, the nearest prototype of normal context.

    It predicts prototype plus correction, so that what is near normal is easy and what is far must be explained.
    """

    network: Network
    spread: Floats
    """[M, K] root mean square of each member's residuals on normal records it did not train on."""
    codes: tuple[PrototypeDensity, ...]
    """Density of normal codes, one per member."""

    def inputs(self, density: PrototypeDensity, features: Floats) -> tuple[Floats, Floats, Floats]:
        """Whitened rows [N, K], what stands aside of them [N, K], and the baseline [N, K]."""
        whitened = density.whiten(features)
        nearest = density.prototypes[density.squared_distances(whitened).argmin(axis=1)]
        return whitened, nearest, nearest

    def member_energies(self, density: PrototypeDensity, features: Floats) -> tuple[Floats, Floats]:
        """Reconstruction and density energy by member, [M, N] each."""
        whitened, aside, baseline = self.inputs(density, features)
        codes = self.network.encode(whitened, aside)
        residual = whitened - self.network.decode(codes, baseline)
        residual /= self.spread[:, None, :]
        squared = np.einsum("mnk,mnk->mn", residual, residual) / whitened.shape[1]
        sparse = np.stack([part.energy(code) for part, code in zip(self.codes, codes, strict=True)])
        return np.asarray(0.5 * np.log(squared + _FLOOR), np.float32), sparse

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        parts = {
            f"code.{member}.{name}": array for member, d in enumerate(self.codes) for name, array in d.arrays().items()
        }
        return {"spread": self.spread, **parts, **{f"network.{k}": v for k, v in self.network.arrays().items()}}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`. Raises ValueError where shapes do not fit each other."""
        network = Network.from_bundle(below(arrays, "network."))
        spread = arrays["spread"]
        if spread.ndim != 2 or len(spread) != network.members:
            raise ValueError("residual spreads do not fit the network")
        codes = tuple(PrototypeDensity.from_bundle(below(arrays, f"code.{m}.")) for m in range(network.members))
        return cls(network, spread, codes)


def below(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose name begins with `prefix`, without it."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
