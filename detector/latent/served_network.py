"""A trained ensemble of autoencoders as numpy sees it: M members of one shape, computed together.

rows [N, P] -> codes [M, N, K] -> reconstructions [M, N, P]
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """One affine map per member."""

    weight: Floats
    """[M, inputs, outputs]"""
    bias: Floats
    """[M, outputs]"""

    def __call__(self, values: Floats) -> Floats:
        """[N, inputs] for all members or [M, N, inputs] one each -> [M, N, outputs]."""
        out: Floats = np.matmul(values, self.weight)
        out += self.bias[:, None, :]
        return out


@dataclass(frozen=True, slots=True)
class Network:
    """M autoencoders. Between layers stands max(0, x); codes and outputs are affine."""

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]

    @property
    def members(self) -> int:
        """M"""
        return len(self.encoder[0].bias)

    @property
    def code_size(self) -> int:
        """K"""
        return int(self.encoder[-1].bias.shape[1])

    def encode(self, rows: Floats) -> Floats:
        """Codes [M, N, K] of rows [N, P]."""
        return _through(self.encoder, rows)

    def decode(self, codes: Floats) -> Floats:
        """Reconstructions [M, N, P] of codes [M, N, K]."""
        return _through(self.decoder, codes)

    def member(self, index: int) -> "Network":
        """One member alone, as a network of one."""
        return self._members(slice(index, index + 1))

    def first(self, count: int) -> "Network":
        """The first members alone."""
        return self._members(slice(count))

    def beside(self, other: "Network") -> "Network":
        """The members of both, which have one shape."""
        halves = ((self.encoder, other.encoder), (self.decoder, other.decoder))
        encoder, decoder = (
            tuple(
                Layer(np.concatenate([one.weight, two.weight]), np.concatenate([one.bias, two.bias]))
                for one, two in zip(*half, strict=True)
            )
            for half in halves
        )
        return Network(encoder, decoder)

    def _members(self, keep: slice) -> "Network":
        return Network(
            tuple(Layer(layer.weight[keep], layer.bias[keep]) for layer in self.encoder),
            tuple(Layer(layer.weight[keep], layer.bias[keep]) for layer in self.decoder),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores: weight and bias by half and depth."""
        return {
            f"{half}.{depth}.{part}": getattr(layer, part)
            for half, layers in (("encoder", self.encoder), ("decoder", self.decoder))
            for depth, layer in enumerate(layers)
            for part in ("weight", "bias")
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`. Raises BundleRefused where layers do not fit each other."""
        encoder, decoder = (_layers(arrays, half) for half in ("encoder", "decoder"))
        widths = [layer.weight.shape[1:] for layer in (*encoder, *decoder)]
        for before, after in itertools.pairwise(widths):
            if before[1] != after[0]:
                raise BundleRefused("an autoencoder's layers do not fit each other; the bundle is damaged: train again")
        return cls(encoder, decoder)


def _through(layers: tuple[Layer, ...], values: Floats) -> Floats:
    for layer in layers[:-1]:
        values = layer(values)
        np.maximum(values, 0.0, out=values)
    return layers[-1](values)


def _layers(arrays: Mapping[str, NDArray[Any]], half: str) -> tuple[Layer, ...]:
    depth = sum(name.startswith(f"{half}.") and name.endswith(".weight") for name in arrays)
    layers = tuple(Layer(arrays[f"{half}.{i}.weight"], arrays[f"{half}.{i}.bias"]) for i in range(depth))
    for layer in layers:
        fits = layer.weight.ndim == 3 and layer.bias.shape == (layer.weight.shape[0], layer.weight.shape[2])
        if not fits or layer.weight.dtype != np.float32 or layer.bias.dtype != np.float32:
            raise BundleRefused("an autoencoder's weights have a wrong shape; the bundle is damaged: train again")
    if not layers:
        raise BundleRefused(f"an autoencoder without {half}; the bundle is damaged: train again")
    return layers
