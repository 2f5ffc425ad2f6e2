"""The arithmetic of a row's anomaly scores, compiled, one row at a time.

A row [P] meets its nearest normal rows; the retrieval autoencoder sees the row with the mean of its nearest and how far
they are, and says what it should have been. Out come

    near        log distance to the nearest normal rows: two parts the very nearest's, one part the mean of a few
    remoteness  mean over the nearest rows of how far they lie outside the bulk of the normal rows themselves
    residual    mean over members of half the log mean squared residual of the autoencoder
    spacing     log mean over the nearest rows of how far they lie from their own neighbours
    suspicion   mean over the nearest rows of how far they lie from the middle of the bulk; counts for a row that the
                memory holds alone
    tangent     log distance from the plane through the nearest rows, where more than a few are met; otherwise 0
    tails       how far out the row lies in single columns, 0 to 1; see `latentwatch.detector.rows.tails`
    code        the first member's latent code, for the latent density

Suspicion is for rows that were learned from. Whether a new row is normal is for its nearest normal rows to say (novelty
detection). Of a row among those it was learned with that is asked in a circle: strange rows that came in a group vouch
for each other, and only the crowd can say so (outlier detection). scikit-learn's LocalOutlierFactor has a switch for
the two; here the row itself tells, by standing in the memory.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.kernels import compiled
from latentwatch.detector.neighbours import Searched, new_scratch, search_one
from latentwatch.detector.rows.tails import Tails, tails_of
from latentwatch.detector.vectors import ROWS, TILE, multiply

Floats: TypeAlias = NDArray[np.float32]
SHOWN = 5
"""Neighbours whose mean the autoencoder sees."""
COLUMNS = ("near", "remoteness", "residual", "spacing", "suspicion", "tangent", "tails")
"""The anomaly scores that one pass of `score_rows` fills for each row, in this order."""
OUTSIDE = 2.0
"""Quartile distances from the median of the log reach from which a row lies outside the bulk."""


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


class Parts(NamedTuple):
    """What the compiled functions need of a model."""

    memory: Searched
    rows: Floats
    """[M, P]"""
    remoteness: Floats
    """[M] how far each normal row lies from the middle of the bulk; see `latentwatch.detector.rows.fitting`."""
    spacing: Floats
    """[M] mean distance of each normal row from its own nearest."""
    tails: Tails
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
    score: float = 0.5 * np.log(total / max(weight, np.float32(1e-9)) + smallest * smallest)
    return score


class Plane(NamedTuple):
    """Room for one row's plane through its k nearest."""

    arms: Floats
    """[k + 1, P] the nearest rows as seen from their mean, and last the row itself."""
    gram: Floats
    """[k, k] products of arms, then their lower Cholesky factor."""
    along: Floats
    """[k] how far the row goes along each arm."""


@compiled
def from_plane(row: Floats, rows: Floats, index: NDArray[np.int64], plane: Plane) -> float:
    """Distance of a row [P] from the plane through its nearest rows, those of `rows` [M, P] at `index` [k].

    With A the arms [k, P], r the row from the mean of the nearest and a ridge of the arms' mean square length,
    |r - A' (A A' + ridge I)^-1 A r|: of what lies within the neighbours' spread a half or more is taken off, of what
    lies across them nothing.
    """
    count, width = index.shape[0], row.shape[0]
    arms, gram, along = plane
    own = arms[count]
    own[:] = 0.0
    for a in range(count):
        for j in range(width):
            own[j] += rows[index[a], j] / np.float32(count)
    for a in range(count):
        for j in range(width):
            arms[a, j] = rows[index[a], j] - own[j]
    for j in range(width):
        own[j] = row[j] - own[j]
    trace = np.float32(0.0)
    for a in range(count):
        for b in range(a + 1):
            product = np.float32(0.0)
            for j in range(width):
                product += arms[a, j] * arms[b, j]
            gram[a, b] = product
        trace += gram[a, a]
        along[a] = 0.0
        for j in range(width):
            along[a] += arms[a, j] * own[j]
    ridge = trace / np.float32(count) + np.float32(1e-9)
    for a in range(count):
        gram[a, a] += ridge
        for b in range(a + 1):
            product = gram[a, b]
            for c in range(b):
                product -= gram[a, c] * gram[b, c]
            gram[a, b] = np.sqrt(max(product, np.float32(1e-20))) if a == b else product / gram[b, b]
        for b in range(a):
            along[a] -= gram[a, b] * along[b]
        along[a] /= gram[a, a]
    for a in range(count - 1, -1, -1):
        for b in range(a + 1, count):
            along[a] -= gram[b, a] * along[b]
        along[a] /= gram[a, a]
    squared = np.float32(0.0)
    for a in range(count):
        for j in range(width):
            own[j] -= along[a] * arms[a, j]
    for j in range(width):
        squared += own[j] * own[j]
    distance: float = np.sqrt(squared)
    return distance


@compiled
def meet(row: Floats, index: NDArray[np.int64], distances: Floats, parts: Parts, out: Floats, seen: Floats) -> None:
    """Fill a row's near, remoteness, spacing and suspicion in `out`, and what the autoencoder sees [P + P + 1], from its
    neighbours."""
    width, count = row.shape[0], distances.shape[0]
    shown, outside, remote, apart = 0.0, 0.0, 0.0, 0.0
    for a in range(count):
        shown += distances[a] if a < SHOWN else 0.0
        remoteness = parts.remoteness[index[a]]
        outside += max(remoteness - OUTSIDE, 0.0)
        remote += remoteness
        apart += parts.spacing[index[a]]
    far = np.log(shown / SHOWN + parts.smallest)
    out[0] = (2.0 * np.log(distances[0] + parts.smallest) + far) / 3.0
    out[1] = outside / count
    out[3] = np.log(apart / count + parts.smallest)
    out[4] = remote / count
    for j in range(width):
        seen[j] = row[j]
        seen[width + j] = 0.0
    for a in range(SHOWN):
        neighbour = parts.rows[index[a]]
        for j in range(width):
            seen[width + j] += neighbour[j] / np.float32(SHOWN)
    seen[2 * width] = (far - parts.distance_mean) / parts.distance_spread


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
    known: NDArray[np.bool_],
) -> None:
    """Fill `out` [N, LOGS], `codes` [N, K], the neighbours' `indices` [N, k] and whether the memory holds a row [N].

    `present` is [N, P] or [1, P] for all rows. `leave_out` [N] is a memory row not to be found, or -1. `only` [N] is the
    one member to ask, or -1 for the first `members` of them.
    """
    count, width = values.shape
    scratch = new_scratch(parts.memory)
    nearest = indices.shape[1]
    distances = np.empty(nearest, np.float32)
    plane = Plane(
        np.empty((nearest + 1, width), np.float32),
        np.empty((nearest, nearest), np.float32),
        np.empty(nearest, np.float32),
    )
    across = 2 * width + 1
    seen = np.zeros(ROWS * across, np.float32)
    here, there = np.empty(ROWS * parts.stack.widest, np.float32), np.empty(ROWS * parts.stack.widest, np.float32)
    other = np.empty((ROWS, codes.shape[1]), np.float32)
    start = 0
    while start < count:
        stop = start + 1
        while stop < min(start + ROWS, count) and only[stop] == only[start]:
            stop += 1
        for n in range(start, stop):
            known[n] = search_one(values[n], parts.memory, probes, leave_out[n], distances, indices[n], scratch)
            at = (n - start) * across
            meet(values[n], indices[n], distances, parts, out[n], seen[at : at + across])
            out[n, 2], out[n, 5], out[n, 6] = 0.0, 0.0, tails_of(values[n], parts.tails)
            if nearest > SHOWN:
                out[n, 5] = np.log(from_plane(values[n], parts.rows, indices[n], plane) + parts.smallest)
        first, asked = (0, members) if only[start] < 0 else (only[start], 1)
        for member in range(first, first + asked):
            kept = codes[start:stop] if member == first else other[: stop - start]
            corrections = encode_decode(member, seen, parts.stack, kept, here, there)
            each = corrections.shape[0] // ROWS
            for n in range(start, stop):
                at = n - start
                out[n, 2] += (
                    residual_of(
                        values[n],
                        present[n if present.shape[0] > 1 else 0],
                        seen[at * across + width : (at + 1) * across],
                        corrections[at * each : (at + 1) * each],
                        parts.importance,
                        parts.smallest,
                    )
                    / asked
                )
        start = stop
