"""A sensor's level, followed where it drifts: what is slower than any fault cannot be told from wear, season or dirt.

A level l, in scales, starts at that of training. Each record is read against it, z - l, and pulls it by

    l += RATE max(-REACH, min(REACH, z - l))

so that a level never moves by more than RATE REACH a record, whatever the record shows: a burst is over before it has become
the usual, and half of a lasting step of one scale is forgotten after 230 records, of many scales the later. It is Huber's
estimator of location by stochastic approximation (Robbins and Monro 1951) with a gain that does not fade.

What is left is scaled anew, and detector and calibration are learned from it, so that drift of that pace counts as normal.
It has a price where nothing drifts: a fault slower than the pace is followed too, and so are the levels that operation
has by hours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.kernels import compiled_exactly
from latentwatch.detector.sequences.channels import robust_location_and_scale

Floats = NDArray[np.float32]

RATE = 3e-3
"""Share of a deviation by which a level follows, a record."""
REACH = 1.0
"""Deviation, in scales, beyond which a level is pulled no harder."""
_VISIBLE = 0.2
"""A history may drift where out-of-fold scores lie at least so far above in-sample ones, in log distance."""
_WORTHWHILE = 0.8
"""What following may leave of it at most to be worth its price."""
STRETCHES = 24
"""Pieces of an entity's history whose levels are compared."""
_FEWEST_OF_STRETCH = 5
"""Records of such a piece."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Which channels' levels are followed, and how wide what is left of them is."""

    rates: Floats
    """[C] RATE, or 0 for a channel whose level is fixed."""
    spreads: Floats
    """[C] the scale of what following leaves of a channel, in scales; 1 where the level is fixed."""

    @classmethod
    def fixed(cls, count: int) -> Self:
        """No level of so many channels is followed."""
        return cls(np.zeros(count, np.float32), np.ones(count, np.float32))

    @property
    def followed(self) -> bool:
        """Whether any level is followed."""
        return bool(self.rates.any())

    def read(self, states: Floats, at: int, owners: NDArray[np.intp], z: Floats) -> Floats:
        """Records [N, C], unclipped, against their entities' levels, which stand at `at` of `states` [E, S] and follow in
        place, in row order.

        A record is read before it is followed; NaN stays NaN and moves nothing.
        """
        out = np.empty_like(z)
        _follow(states, at, np.ascontiguousarray(owners, np.int64), z, self.rates, self.spreads, np.float32(REACH), out)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"rates": self.rates, "spreads": self.spreads}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], count: int) -> Self:
        """The inverse of `arrays`; of bundles of format 6 and older, which have none, all levels are fixed. Raises ValueError
        where they are not of `count` channels."""
        if not arrays:
            return cls.fixed(count)
        rates, spreads = arrays["rates"], arrays["spreads"]
        if (
            {rates.shape, spreads.shape} != {(count,)}
            or (rates < 0).any()
            or (rates >= 1).any()
            or (spreads <= 0).any()
        ):
            raise ValueError("the levels do not fit the channels")
        return cls(rates, spreads)


def fit_levels(z: Floats, owners: NDArray[np.intp], followed: NDArray[np.bool_]) -> Levels:
    """Levels of the channels that are `followed` [C], learned from records [N, C], unclipped, each entity's in order."""
    start = Levels(np.where(followed, RATE, 0.0).astype(np.float32), np.ones(len(followed), np.float32))
    left = start.read(np.zeros((int(owners.max(initial=0)) + 1, len(followed)), np.float32), 0, owners, z)
    spreads = np.ones(len(followed), np.float32)
    for channel in np.flatnonzero(followed):
        column = left[np.isfinite(left[:, channel]), channel]
        spreads[channel] = max(robust_location_and_scale(column)[1], 1e-6)
    return replace(start, spreads=spreads)


@compiled_exactly
def _follow(
    states: Floats,
    at: int,
    owners: NDArray[np.int64],
    z: Floats,
    rates: Floats,
    spreads: Floats,
    reach: np.float32,
    out: Floats,
) -> None:
    """`Levels.read` into `out` [N, C]."""
    for row in range(len(z)):
        state = states[owners[row]]
        for c in range(z.shape[1]):
            off = z[row, c] - state[at + c]
            out[row, c] = off / spreads[c]
            if rates[c] > 0 and np.isfinite(off):
                state[at + c] += rates[c] * min(max(off, -reach), reach)


def drifts(growth: float, strangeness: Callable[[], tuple[float, float]]) -> bool:
    """Whether a history drifts so that following pays: the rule behind `follow_drift: auto`.

    `growth` is as `growth_of_levels` gives it. Levels that come back, as those of a daily course do, are not followed: it
    would harm. `strangeness` is asked for the others. It gives the mean out-of-fold less the mean in-sample score of blocks of
    time, in log distance, with fixed and with followed levels. Drift causes such a gap, and following shrinks it. A short
    history causes one too, which following does not shrink.
    """
    if growth <= 1.0:
        return False
    fixed, followed = strangeness()
    return fixed > _VISIBLE and followed < _WORTHWHILE * fixed


def growth_of_levels(z: Floats, owners: NDArray[np.intp]) -> float:
    """How much farther levels of channels [N, C] lie apart after most of the history than after half as long: the mean squared
    difference of stretches 16 to 20 of STRETCHES apart, over that of stretches 8 to 12 apart.

    Entities are taken together; 0 where none has 120 records, or there is no channel. White noise gives 1, a random walk 1.8, and a course that
    returns within the history less than 1.
    """
    far = near = 0.0
    for mine in rows_by_entity(owners):
        if len(mine) < _FEWEST_OF_STRETCH * STRETCHES or not z.shape[1]:
            continue
        levels = np.array([_means(stretch) for stretch in np.array_split(z[mine], STRETCHES)])
        far += sum(_apart(levels, lag) for lag in range(16, 21))
        near += sum(_apart(levels, lag) for lag in range(8, 13))
    return far / near if near > 0 else 0.0


def _means(rows: Floats) -> NDArray[np.float64]:
    known = np.isfinite(rows)
    return np.asarray(np.where(known, rows, 0).sum(axis=0, dtype=np.float64) / np.maximum(known.sum(axis=0), 1))


def _apart(levels: NDArray[np.float64], lag: int) -> float:
    return float(((levels[lag:] - levels[:-lag]) ** 2).mean())
