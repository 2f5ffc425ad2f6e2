"""The autoencoder's ensemble folded for scoring: the same numbers from fewer and larger products.

What the encoder makes of a prototype is known beforehand, so the first layer is a product with the row alone plus a looked
up row; the members' first layers are one product, and so are their last ones, whose mean is all that is asked for.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.network import Layer, Network

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Folded:
    """A network of M members that stand beside prototypes [P, D]."""

    members: int
    shift: Floats
    """[D] subtracted from features,"""
    factor: Floats
    """[D] and what they are multiplied with then."""
    pull: Floats
    """[D, P] minus twice the prototypes."""
    squares: Floats
    """[P] squared lengths of the prototypes."""
    rest: Floats
    """[P, D] the prototypes and the mean of the last layers' biases: what the decoder's mean is added to."""
    first: Floats
    """[D, M H] the part of the encoder's first layer that sees the row."""
    beside: Floats
    """[P, M H] what its other part and its bias make of each prototype."""
    inner: tuple[Layer, ...]
    """Layers of the encoder after the first."""
    outer: tuple[Layer, ...]
    """Layers of the decoder before the last."""
    last: Floats
    """[M G, D] the decoder's last layer, for the mean over members."""

    @classmethod
    def of(cls, network: Network, prototypes: Floats, shift: Floats, factor: Floats) -> Self:
        """Fold a network whose encoder sees [row, prototype] and whose decoder's output is added to the prototype."""
        members, width = network.members, prototypes.shape[1]
        first, last = network.encoder[0], network.decoder[-1]
        side = np.concatenate([prototypes @ weight for weight in first.weight[:, width:]], axis=1)
        return cls(
            members=members,
            shift=shift,
            factor=factor,
            pull=np.ascontiguousarray(-2.0 * prototypes.T),
            squares=np.einsum("pd,pd->p", prototypes, prototypes),
            rest=prototypes + last.bias.mean(axis=0),
            first=np.concatenate(list(first.weight[:, :width]), axis=1),
            beside=side + first.bias.reshape(1, -1),
            inner=network.encoder[1:],
            outer=network.decoder[:-1],
            last=np.asarray(np.concatenate(list(last.weight), axis=0) / members, np.float32),
        )

    def __call__(self, features: Floats) -> tuple[Floats, Floats]:
        """Codes [M, N, K], and the mean of the members' residuals [N, D], of features [N, D]."""
        rows: Floats = features - self.shift
        rows *= self.factor
        distance: Floats = rows @ self.pull
        distance += self.squares
        nearest = distance.argmin(axis=1)
        values: Floats = rows @ self.first
        values += self.beside[nearest]
        if self.inner:
            np.maximum(values, 0.0, out=values)
        codes = values.reshape(len(rows), self.members, values.shape[1] // self.members).transpose(1, 0, 2)
        for number, layer in enumerate(self.inner, 1):
            codes = layer(codes)
            if number < len(self.inner):
                np.maximum(codes, 0.0, out=codes)
        hidden = codes
        for layer in self.outer:
            hidden = layer(hidden)
            np.maximum(hidden, 0.0, out=hidden)
        rows -= hidden.transpose(1, 0, 2).reshape(len(rows), len(self.last)) @ self.last
        rows -= self.rest[nearest]
        return codes, rows
