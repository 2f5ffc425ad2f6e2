"""A trained ensemble as compiled functions see it, a few rows at a time.

Rows are taken through the weights of one member together, in an order of sums that does not depend on how many they are: a
row gets the same bits alone and in a batch.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled
from latentwatch.detector.latent.served_network import Network
from latentwatch.detector.vectors import ROWS, TILE, multiply

Floats: TypeAlias = NDArray[np.float32]


class Stack(NamedTuple):
    """The weights of all members, end to end, each layer's outputs filled up with zeros to whole tiles."""

    weights: Floats
    """Tile after tile of outputs, each row by row [inputs, TILE], then its bias [TILE]; layer after layer, member after
    member."""
    layers: NDArray[np.int64]
    """[members, depth, 3] where a layer begins, its inputs, its outputs."""
    encoder_depth: int
    widest: int
    """Outputs of the widest layer."""


def stack_network(network: Network) -> Stack:
    """A network's weights for the compiled functions."""
    flat, layers, begin, widest = [], [], 0, 0
    for member in range(network.members):
        for layer in (*network.encoder, *network.decoder):
            inputs, outputs = layer.weight.shape[1:]
            filled = outputs + -outputs % TILE
            weight = np.zeros((inputs + 1, filled), np.float32)
            weight[:-1, :outputs], weight[-1, :outputs] = layer.weight[member], layer.bias[member]
            flat.append(weight.reshape(inputs + 1, -1, TILE).transpose(1, 0, 2).ravel())
            layers.append((begin, inputs, filled))
            begin, widest = begin + weight.size, max(widest, filled)
    depth = len(network.encoder) + len(network.decoder)
    return Stack(np.concatenate(flat), np.array(layers, np.int64).reshape(-1, depth, 3), len(network.encoder), widest)


@compiled
def encode_decode(member: int, seen: Floats, stack: Stack, codes: Floats, here: Floats, there: Floats) -> Floats:
    """One member's codes [B, K], B at most `ROWS`, and, returned, the corrections [ROWS * outputs] for what it sees
    [ROWS * (P + P + 1)], rows end to end. What is left of the room beyond B rows is computed as well, and means nothing."""
    depth = stack.layers.shape[1]
    values, stride = seen, stack.layers[member, 0, 1]
    for layer in range(depth):
        begin, inputs, outputs = stack.layers[member, layer]
        for tile in range(outputs // TILE):
            at = tile * TILE
            multiply(values, inputs, stride, stack.weights, begin + at * (inputs + 1), here, at, outputs)
        if layer == stack.encoder_depth - 1:
            for n in range(codes.shape[0]):
                codes[n] = here[n * outputs : n * outputs + codes.shape[1]]
        elif layer != depth - 1:
            for i in range(ROWS * outputs):
                here[i] = here[i] if here[i] > 0.0 else np.float32(0.0)
        values, stride = here, outputs
        here, there = there, here
    return values[: ROWS * stride]
