"""The arithmetic of a row's energies, compiled, one row at a time.

A row [P] meets its nearest normal rows; the retrieval autoencoder sees the row with the mean of its nearest and how far
they are, and says what it should have been. Out come

    near        log distance to the nearest normal row
    remoteness  mean over the nearest rows of how far they lie themselves from the bulk of the normal rows
    residual    mean over members of half the log mean squared residual of the autoencoder
    code        the first member's latent code, for the latent density
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detector.autoencoders.network import Network
from detector.kernels import compiled
from detector.neighbours import VECTOR, Searched, new_scratch, search_one

Floats: TypeAlias = NDArray[np.float32]
BLOCK = 8
"""Rows that meet the autoencoder together, while its weights are near."""
SHOWN = 5
"""Neighbours whose mean the autoencoder sees."""


class Stack(NamedTuple):
    """The weights of all members, end to end, each layer's outputs filled up with zeros to whole vectors of the machine."""

    weights: Floats
    """Row by row [inputs, outputs], then the bias [outputs], layer after layer, member after member."""
    layers: NDArray[np.int64]
    """[members, depth, 3] where a layer begins, its inputs, its outputs."""
    encoder_depth: int
    widest: int
    """Outputs of the widest layer."""


class Parts(NamedTuple):
    """What the compiled functions need of a model."""

    memory: Searched
    rows: Floats
    """[M, P]"""
    remoteness: Floats
    """[M] how far each normal row lies from the bulk."""
    stack: Stack
    importance: Floats
    """[P] weight of each column in the residual; they sum to 1."""
    distance_mean: float
    distance_spread: float
    """Scale of the log distance that the autoencoder sees."""
    smallest: float
    """Added to distances before their log."""


def stack_network(network: Network) -> Stack:
    """A network's weights for the compiled functions."""
    flat, layers, begin, widest = [], [], 0, 0
    for member in range(network.members):
        for layer in (*network.encoder, *network.decoder):
            inputs, outputs = layer.weight.shape[1:]
            filled = outputs + -outputs % VECTOR
            weight = np.zeros((inputs + 1, filled), np.float32)
            weight[:-1, :outputs], weight[-1, :outputs] = layer.weight[member], layer.bias[member]
            flat.append(weight.ravel())
            layers.append((begin, inputs, filled))
            begin, widest = begin + weight.size, max(widest, filled)
    depth = len(network.encoder) + len(network.decoder)
    return Stack(np.concatenate(flat), np.array(layers, np.int64).reshape(-1, depth, 3), len(network.encoder), widest)


@compiled
def affine(values: Floats, weight: Floats, rectify: bool, out: Floats) -> None:
    """out [B, outputs] = values [B, inputs] @ weight[:-1] + weight[-1], then max(0, out) where `rectify`.

    Each row's sums are made in the same order whatever B is.
    """
    inputs, outputs = weight.shape[0] - 1, weight.shape[1]
    bias = weight[inputs]
    for row in range(out.shape[0]):
        line, value = out[row], values[row]
        for o in range(outputs):
            line[o] = bias[o]
        for quarter in range(inputs // 4):
            i = 4 * quarter
            a, b, c, d = value[i], value[i + 1], value[i + 2], value[i + 3]
            first, second, third, fourth = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
            for o in range(outputs):
                line[o] += (a * first[o] + b * second[o]) + (c * third[o] + d * fourth[o])
        for i in range(inputs // 4 * 4, inputs):
            a = value[i]
            first = weight[i]
            for o in range(outputs):
                line[o] += a * first[o]
        if rectify:
            for o in range(outputs):
                line[o] = line[o] if line[o] > 0.0 else np.float32(0.0)


@compiled
def encode_decode(member: int, seen: Floats, stack: Stack, codes: Floats, here: Floats, there: Floats) -> Floats:
    """One member's codes [B, K] and, returned, its corrections [B, at least P] for what it sees [B, P + P + 1]."""
    depth, count = stack.layers.shape[1], seen.shape[0]
    values = seen
    for layer in range(depth):
        begin, inputs, outputs = stack.layers[member, layer]
        weight = stack.weights[begin : begin + (inputs + 1) * outputs].reshape(inputs + 1, outputs)
        out = here[: count * outputs].reshape(count, outputs)
        affine(values, weight, layer != stack.encoder_depth - 1 and layer != depth - 1, out)
        if layer == stack.encoder_depth - 1:
            codes[:] = out[:, : codes.shape[1]]
        values = out
        here, there = there, here
    return values


@compiled
def residual_of(
    row: Floats, present: Floats, baseline: Floats, correction: Floats, importance: Floats, smallest: float
) -> float:
    """Half the log of the mean squared residual over the columns that are present."""
    total, weight = np.float32(0.0), np.float32(0.0)
    for j in range(row.shape[0]):
        error = row[j] - baseline[j] - correction[j]
        total += importance[j] * present[j] * error * error
        weight += importance[j] * present[j]
    energy: float = 0.5 * np.log(total / max(weight, np.float32(1e-9)) + smallest * smallest)
    return energy


@compiled
def meet(row: Floats, index: NDArray[np.int64], distances: Floats, parts: Parts, out: Floats, seen: Floats) -> None:
    """Fill a row's near and remoteness in `out`, and what the autoencoder sees [P + P + 1], from its neighbours."""
    width, count = row.shape[0], distances.shape[0]
    shown, remote = 0.0, 0.0
    for a in range(count):
        shown += distances[a] if a < SHOWN else 0.0
        remote += parts.remoteness[index[a]]
    out[0] = np.log(distances[0] + parts.smallest)
    out[1] = remote / count
    seen[:width] = row
    seen[width:] = 0.0
    for a in range(SHOWN):
        neighbour = parts.rows[index[a]]
        for j in range(width):
            seen[width + j] += neighbour[j] / np.float32(SHOWN)
    seen[2 * width] = (np.log(shown / SHOWN + parts.smallest) - parts.distance_mean) / parts.distance_spread


@compiled
def score_rows(
    values: Floats,
    present: Floats,
    parts: Parts,
    probes: int,
    members: int,
    leave_out: NDArray[np.int64],
    only: NDArray[np.int64],
    out: Floats,
    codes: Floats,
    indices: NDArray[np.int64],
) -> None:
    """Fill `out` [N, 3] with near, remoteness and residual, `codes` [N, K] and the neighbours' `indices` [N, k].

    `present` is [N, P] or [1, P] for all rows. `leave_out` [N] is a memory row not to be found, or -1. `only` [N] is the
    one member to ask, or -1 for the first `members` of them.
    """
    count, width = values.shape
    scratch = new_scratch(parts.memory)
    distances = np.empty(indices.shape[1], np.float32)
    seen = np.empty((BLOCK, 2 * width + 1), np.float32)
    here, there = np.empty(BLOCK * parts.stack.widest, np.float32), np.empty(BLOCK * parts.stack.widest, np.float32)
    other = np.empty((BLOCK, codes.shape[1]), np.float32)
    start = 0
    while start < count:
        stop = start + 1
        while stop < min(start + BLOCK, count) and only[stop] == only[start]:
            stop += 1
        for n in range(start, stop):
            search_one(values[n], parts.memory, probes, leave_out[n], distances, indices[n], scratch)
            meet(values[n], indices[n], distances, parts, out[n], seen[n - start])
            out[n, 2] = 0.0
        first, asked = (0, members) if only[start] < 0 else (only[start], 1)
        for member in range(first, first + asked):
            kept = codes[start:stop] if member == first else other[: stop - start]
            correction = encode_decode(member, seen[: stop - start], parts.stack, kept, here, there)
            for n in range(start, stop):
                out[n, 2] += (
                    residual_of(
                        values[n],
                        present[n % present.shape[0]],
                        seen[n - start, width:],
                        correction[n - start],
                        parts.importance,
                        parts.smallest,
                    )
                    / asked
                )
        start = stop
