"""The arithmetic of a row's energies, compiled, one row at a time.

A row [P] meets its nearest normal rows; the retrieval autoencoder sees the row with the mean of its nearest and how far
they are, and says what it should have been. Five numbers come out, all logs of distances:

    near      log mean distance to the 3 nearest normal rows
    spacing   log mean spacing of the 10 nearest among their own neighbours: how wide normal is spread there
    tangent   log distance from the plane that the 10 nearest span, shrunk by a ridge
    residual  mean over members of half the log mean squared residual of the autoencoder
    code      the first member's latent code, for the latent density
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detector.kernels import compiled
from detector.neighbours import Searched, new_scratch, search_one

Floats: TypeAlias = NDArray[np.float32]
NEIGHBOURS = 10
"""Neighbours that a row meets."""
NEAREST = 3
"""Neighbours whose distance counts."""
SHOWN = 5
"""Neighbours whose mean the autoencoder sees."""
RIDGE = 0.1


class Parts(NamedTuple):
    """What the compiled functions need of a model."""

    memory: Searched
    rows: Floats
    """[M, P]"""
    spacing: Floats
    """[M] each normal row's own mean distance to its neighbours."""
    encoder: tuple[tuple[Floats, ...], tuple[Floats, ...]]
    """Weights [members, inputs, outputs] and biases [members, outputs] by depth."""
    decoder: tuple[tuple[Floats, ...], tuple[Floats, ...]]
    importance: Floats
    """[P] weight of each column in the residual; they sum to 1."""
    distance_mean: float
    distance_spread: float
    """Scale of the log distance that the autoencoder sees."""
    smallest: float
    """Added to distances before their log."""


@compiled
def encode_decode(
    member: int, seen: Floats, parts: Parts, code: Floats, out: Floats, here: Floats, there: Floats
) -> None:
    """One member's code [K] and correction [P] for what it sees [P + P + 1]; `here`, `there` are room for layers."""
    width = seen.shape[0]
    here[:width] = seen
    depth = len(parts.encoder[0])
    for layer in range(depth):
        affine(here, parts.encoder[0][layer], parts.encoder[1][layer], member, layer < depth - 1, there)
        here, there = there, here
    code[:] = here[: code.shape[0]]
    depth = len(parts.decoder[0])
    for layer in range(depth):
        affine(here, parts.decoder[0][layer], parts.decoder[1][layer], member, layer < depth - 1, there)
        here, there = there, here
    out[:] = here[: out.shape[0]]


@compiled
def affine(values: Floats, weight: Floats, bias: Floats, member: int, rectify: bool, out: Floats) -> None:
    """out = values @ weight[member] + bias[member], then max(0, out) where `rectify`."""
    inputs, outputs = weight.shape[1], weight.shape[2]
    for o in range(outputs):
        out[o] = bias[member, o]
    i = 0
    while i + 4 <= inputs:
        a, b, c, d = values[i], values[i + 1], values[i + 2], values[i + 3]
        for o in range(outputs):
            out[o] += (a * weight[member, i, o] + b * weight[member, i + 1, o]) + (
                c * weight[member, i + 2, o] + d * weight[member, i + 3, o]
            )
        i += 4
    while i < inputs:
        a = values[i]
        for o in range(outputs):
            out[o] += a * weight[member, i, o]
        i += 1
    if rectify:
        for o in range(outputs):
            out[o] = max(out[o], np.float32(0.0))


@compiled
def residual_of(
    row: Floats, present: Floats, baseline: Floats, correction: Floats, importance: Floats, smallest: float
) -> float:
    """Half the log of the mean squared residual over the columns that are present."""
    total, weight = 0.0, 0.0
    for j in range(row.shape[0]):
        error = row[j] - baseline[j] - correction[j]
        total += importance[j] * present[j] * error * error
        weight += importance[j] * present[j]
    energy: float = 0.5 * np.log(total / max(weight, 1e-9) + smallest * smallest)
    return energy


@compiled
def tangent_of(row: Floats, rows: Floats, index: NDArray[np.int64], smallest: float) -> float:
    """Log distance from the plane through the neighbours: least squares on their deviations from their mean, with a ridge."""
    k, width = index.shape[0], row.shape[0]
    deviation = np.empty((k, width), np.float32)
    offset = np.empty(width, np.float32)
    for j in range(width):
        middle = np.float32(0.0)
        for a in range(k):
            deviation[a, j] = rows[index[a], j]
            middle += deviation[a, j]
        middle /= np.float32(k)
        for a in range(k):
            deviation[a, j] -= middle
        offset[j] = row[j] - middle
    gram = np.empty((k, k), np.float64)
    target = np.empty(k, np.float64)
    trace = 0.0
    for a in range(k):
        for b in range(a + 1):
            total = np.float32(0.0)
            for j in range(width):
                total += deviation[a, j] * deviation[b, j]
            gram[a, b] = total
        trace += gram[a, a]
        total = np.float32(0.0)
        for j in range(width):
            total += deviation[a, j] * offset[j]
        target[a] = total
    ridge = RIDGE * trace / k + 1e-12
    for a in range(k):
        gram[a, a] += ridge
    solve_in_place(gram, target)
    total = np.float32(0.0)
    for j in range(width):
        rest = offset[j]
        for a in range(k):
            rest -= np.float32(target[a]) * deviation[a, j]
        total += rest * rest
    energy: float = np.log(np.sqrt(total) + smallest)
    return energy


@compiled
def solve_in_place(gram: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    """Solve a symmetric positive system by Cholesky's decomposition; the lower half of `gram` is overwritten."""
    k = target.shape[0]
    for a in range(k):
        for b in range(a + 1):
            total = gram[a, b]
            for c in range(b):
                total -= gram[a, c] * gram[b, c]
            gram[a, b] = np.sqrt(max(total, 1e-30)) if a == b else total / gram[b, b]
    for a in range(k):
        total = target[a]
        for c in range(a):
            total -= gram[a, c] * target[c]
        target[a] = total / gram[a, a]
    for back in range(k):
        a = k - 1 - back
        total = target[a]
        for c in range(a + 1, k):
            total -= gram[c, a] * target[c]
        target[a] = total / gram[a, a]


@compiled
def score_rows(
    values: Floats,
    present: Floats,
    parts: Parts,
    probes: int,
    members: int,
    with_tangent: bool,
    leave_out: NDArray[np.int64],
    only: NDArray[np.int64],
    out: Floats,
    codes: Floats,
    indices: NDArray[np.int64],
) -> None:
    """Fill `out` [N, 4] with near, spacing, tangent and residual, `codes` [N, K] and the neighbours' `indices` [N, 10].

    `present` is [N, P] or [1, P] for all rows. `leave_out` [N] is a memory row not to be found, or -1. `only` [N] is the
    one member to ask, or -1 for the first `members` of them.
    """
    width = values.shape[1]
    scratch = new_scratch(parts.memory)
    to_centre = np.empty(parts.memory.centres.shape[1], np.float32)
    distances = np.empty(NEIGHBOURS, np.float32)
    seen = np.empty(2 * width + 1, np.float32)
    widest = 2 * width + 1
    for layer in range(len(parts.encoder[0])):
        widest = max(widest, parts.encoder[0][layer].shape[2])
    for layer in range(len(parts.decoder[0])):
        widest = max(widest, parts.decoder[0][layer].shape[2])
    here, there = np.empty(widest, np.float32), np.empty(widest, np.float32)
    other = np.empty(codes.shape[1], np.float32)
    correction = np.empty(width, np.float32)
    for n in range(values.shape[0]):
        row = values[n]
        mask = present[n if present.shape[0] > 1 else 0]
        search_one(row, parts.memory, probes, leave_out[n], distances, indices[n], scratch, to_centre)
        near, shown, spread = 0.0, 0.0, 0.0
        for a in range(NEIGHBOURS):
            near += distances[a] if a < NEAREST else 0.0
            shown += distances[a] if a < SHOWN else 0.0
            spread += parts.spacing[indices[n, a]]
        out[n, 0] = np.log(near / NEAREST + parts.smallest)
        out[n, 1] = np.log(spread / NEIGHBOURS + parts.smallest)
        out[n, 2] = tangent_of(row, parts.rows, indices[n], parts.smallest) if with_tangent else 0.0
        for j in range(width):
            middle = np.float32(0.0)
            for a in range(SHOWN):
                middle += parts.rows[indices[n, a], j]
            seen[j] = row[j]
            seen[width + j] = middle / np.float32(SHOWN)
        seen[2 * width] = (np.log(shown / SHOWN + parts.smallest) - parts.distance_mean) / parts.distance_spread
        baseline = seen[width : 2 * width]
        first = 0 if only[n] < 0 else only[n]
        last = members if only[n] < 0 else only[n] + 1
        total = 0.0
        for member in range(first, last):
            kept = codes[n] if member == first else other
            encode_decode(member, seen, parts, kept, correction, here, there)
            total += residual_of(row, mask, baseline, correction, parts.importance, parts.smallest)
        out[n, 3] = total / (last - first)
