"""The level of an entity that was not in training, learned as its records arrive.

An entity starts from the population: its level l, in scales, is drawn from N(0, B), B the variance between entities in
training. After n records, worth m = n / ROWS_PER_DEGREE independent ones of variance 1, its level is believed to be
N(m B / (1 + m B) * mean, B / (1 + m B)), and a record is read against that belief: (z - level) / sqrt(1 + variance). So a
stranger is neither an anomaly for being new nor trusted less for ever (conjugate normal model, Gelman et al., Bayesian
Data Analysis, 3rd ed., section 2.5).
"""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly
from latentwatch.detector.sequences.channels import ROWS_PER_DEGREE

_MEMORY = 5_000.0
"""Records over which the level is averaged at most; a stranger that moves for good is followed this slowly."""
_FURTHEST = 3.0
"""Standard deviations beyond which a record pulls the level no harder."""


def acquaint(
    known: NDArray[np.float32], owners: NDArray[np.intp], z: NDArray[np.float32], between: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Records [N, C] against what is believed of their entities' levels; `known` [E, 1 + C] learns in place, in row order.

    Each record is read before it is learned from. NaN stays NaN and teaches nothing.
    """
    out = np.empty_like(z)
    _acquaint(known, np.ascontiguousarray(owners, np.int64), z, between, np.float32(1 / ROWS_PER_DEGREE), out)
    return out


def belief_width(count: NDArray[np.int64], between: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N, C] by what a stranger's record is divided after `count` [N] of its records."""
    weight = np.minimum(count, _MEMORY)[:, None] / ROWS_PER_DEGREE * between
    return np.sqrt(1.0 + between / (1.0 + weight)).astype(np.float32)


@compiled_exactly
def _acquaint(
    known: NDArray[np.float32],
    owners: NDArray[np.int64],
    z: NDArray[np.float32],
    between: NDArray[np.float32],
    worth: np.float32,
    out: NDArray[np.float32],
) -> None:
    """`acquaint` into `out` [N, C]; `worth` is what one record tells of a level, in independent ones."""
    for row in range(len(z)):
        belief = known[owners[row]]
        count = belief[0]
        for c in range(z.shape[1]):
            weight = count * worth * between[c]
            width = np.sqrt(np.float32(1.0) + between[c] / (np.float32(1.0) + weight))
            off = z[row, c] - belief[1 + c] * weight / (np.float32(1.0) + weight)
            out[row, c] = off / width
            if np.isfinite(z[row, c]):
                reach = np.float32(_FURTHEST) * np.sqrt(np.float32(1.0) + between[c])
                pull = min(max(z[row, c] - belief[1 + c], -reach), reach)
                belief[1 + c] += pull / min(count + np.float32(1.0), np.float32(_MEMORY))
        belief[0] = min(count + np.float32(1.0), np.float32(_MEMORY))
