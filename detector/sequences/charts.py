"""Control charts: does a channel show what the others predict, does it still move, and does it speak at all?

values [N, C] → residuals → charts [N, C] in usual sizes; how long every channel has shown one and the same number, or none

A residual is what a channel shows less what a ridge regression on the other channels of the same record predicts. Its
chart is an adaptive exponentially weighted average (Capizzi and Masarotto 2003): small residuals are averaged over many
records, which brings out what is small and lasts; a large one is followed at once, so that a fault that ends is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly
from latentwatch.detector.ridge import regress
from latentwatch.detector.sequences.channels import DISCRETE_VALUES

Floats = NDArray[np.float32]

BLOCKS_KEPT = 4
"""Numbers per channel that a state keeps: the chart, the last value, how often it has been repeated, and how many records
have lacked one since."""
_SPAN = 32
_REACH = 2.5
"""Standard deviations of a residual beyond which a chart follows at once."""
_CLIP = 6.0
"""Standard deviations beyond which a residual is no larger."""


_STORED = ("weights", "offset", "size", "longest", "widest")


@dataclass(frozen=True, slots=True)
class Charts:
    """What the other channels predict of each, and how long one usually stands still or is missing."""

    weights: Floats
    """[C, C] column c times a record, less `offset`, is the residual of channel c in standard deviations."""
    offset: Floats
    """[C]"""
    size: Floats
    """[C] what a chart is multiplied by to be of size 1; 0 where a channel never moves."""
    longest: Floats
    """[C] how often a value was repeated at most; -1 where standing still means nothing."""
    widest: Floats
    """[C] how many records in a row lacked a value at most."""
    per_longest: Floats = field(init=False, repr=False, compare=False)
    """[C] one over `longest` showings; 0 where standing still means nothing."""
    per_widest: Floats = field(init=False, repr=False, compare=False)
    """[C] one over `widest`, a single missing value being nothing by itself."""

    def __post_init__(self) -> None:
        divisor = np.where(self.longest >= 0, 1 + self.longest, np.inf)
        object.__setattr__(self, "per_longest", np.asarray(1 / divisor, np.float32))
        object.__setattr__(self, "per_widest", np.asarray(1 / np.maximum(self.widest, 1), np.float32))

    @classmethod
    def none(cls, count: int) -> Self:
        """Before anything is known: every chart stays 0."""
        zeros = np.zeros(count, np.float32)
        return cls(np.zeros((count, count), np.float32), zeros, zeros, np.full(count, -1, np.float32), zeros)

    def extend(self, states: Floats, at: int, readings: "Readings") -> tuple[Floats, Floats, Floats]:
        """Charts, repeats and gaps [N, C] of records, row by row; `states` [E, S] are advanced in place from column `at`."""
        charts, repeats, gaps = (np.empty_like(readings.z) for _ in range(3))
        _extend(
            states,
            at,
            readings.owners,
            readings.z,
            readings.values,
            readings.seen,
            self.weights,
            self.offset,
            self.size,
            charts,
            repeats,
            gaps,
        )
        return charts, repeats, gaps

    def standstill(self, repeats: Floats, gaps: Floats) -> Floats:
        """[N] the largest over channels of

            log(length of the current run / longest run in training)

        of one repeated value, or of missing values; at least 0."""
        longer = ((1 + repeats) * self.per_longest).max(axis=1, initial=1.0)
        wider = (gaps * self.per_widest).max(axis=1, initial=1.0)
        return np.asarray(np.log(np.maximum(longer, wider)), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {name: getattr(self, name) for name in _STORED}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], count: int) -> Self:
        """The inverse of `arrays`. Raises ValueError where they are not of `count` channels."""
        charts = cls(*(arrays[name] for name in _STORED))
        if charts.weights.shape != (count, count) or any(arrays[name].shape != (count,) for name in _STORED[1:]):
            raise ValueError("the charts do not fit the channels")
        return charts


@dataclass(frozen=True, slots=True)
class Readings:
    """Records in order of time, as charts are kept on them."""

    z: Floats
    """[N, C] NaN where missing."""
    values: Floats
    """[N, C] the same with something usual in place of NaN."""
    owners: NDArray[np.int64]
    """[N] row of the state that belongs to the record's entity."""
    seen: NDArray[np.int64]
    """[N] how many records of its entity came before; 0 where it begins."""


def fit_charts(readings: Readings, blocks: NDArray[np.intp], inner: NDArray[np.bool_]) -> tuple[Charts, Floats, Floats]:
    """Charts learned from all records, and what each block of time shows to charts that did not see it.

    What serves is the mean of the blocks' judges, as with the autoencoder: one more regression on all records would be none
    of those that charts are calibrated on.

    `blocks` [N] numbers the blocks, `inner` [N] says which records are far from any other block. The second result are
    charts [N, C] in usual sizes, the third standstill [N].
    """
    z, values = readings.z, readings.values
    predicted = {int(block): _predict(values[(blocks != block) & inner]) for block in np.unique(blocks)}
    residuals = np.empty(values.shape)
    for block, (weights, offset) in predicted.items():
        residuals[blocks == block] = values[blocks == block] @ weights - offset
    per_spread = _inverse(np.sqrt((residuals**2).mean(axis=0)))
    untold = Charts.none(z.shape[1])

    def charts_of(weights: NDArray[np.float64], offset: NDArray[np.float64], size: Floats) -> Charts:
        return replace(
            untold,
            weights=np.asarray(weights * per_spread, np.float32),
            offset=np.asarray(offset * per_spread, np.float32),
            size=size,
        )

    out_of_fold = np.empty_like(values)
    for block, (weights, offset) in predicted.items():
        charts, repeats, gaps = _read(charts_of(weights, offset, np.ones(z.shape[1], np.float32)), readings)
        out_of_fold[blocks == block] = charts[blocks == block]
    size = np.asarray(_inverse(np.sqrt((out_of_fold.astype(np.float64) ** 2).mean(axis=0))), np.float32)
    graded = np.array([len(np.unique(column[np.isfinite(column)])) > DISCRETE_VALUES for column in z.T], bool)
    still = np.empty(len(z), np.float32)
    for block in predicted:
        others, inside = blocks != block, blocks == block
        longest = np.where(graded, repeats[others].max(axis=0), -1).astype(np.float32)
        judge = replace(untold, longest=longest, widest=gaps[others].max(axis=0))
        still[inside] = judge.standstill(repeats[inside], gaps[inside])
    longest = np.where(graded, repeats.max(axis=0), -1).astype(np.float32)
    weights, offset = (np.mean(part, axis=0) for part in zip(*predicted.values(), strict=True))
    served = replace(charts_of(weights, offset, size), longest=longest, widest=gaps.max(axis=0))
    return served, out_of_fold * size, still


def _read(charts: Charts, readings: Readings) -> tuple[Floats, Floats, Floats]:
    states = np.zeros((int(readings.owners.max()) + 1, BLOCKS_KEPT * readings.z.shape[1]), np.float32)
    return charts.extend(states, 0, readings)


def _inverse(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(sizes > 1e-6, 1 / np.maximum(sizes, 1e-6), 0.0)


def _predict(values: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[C, C] and [C]: residual = values @ weights - offset, by ridge regression of each channel on all others."""
    learned = regress(values)
    weights = learned.precision / np.diag(learned.precision) * np.outer(learned.moving, learned.moving)
    return weights, learned.mean @ weights


@compiled_exactly
def _extend(
    states: Floats,
    at: int,
    owners: NDArray[np.int64],
    z: Floats,
    values: Floats,
    seen: NDArray[np.int64],
    weights: Floats,
    offset: Floats,
    size: Floats,
    charts: Floats,
    repeats: Floats,
    gaps: Floats,
) -> None:
    """Advance the BLOCKS_KEPT blocks of C floats at `at` of `states` [E, S] by the records of `Readings`, in place.

    Written are `charts` [N, C], in usual sizes, `repeats` [N, C], how often a channel has repeated its value, and `gaps`
    [N, C], how many records it has been missing in. One row at a time, so that where a batch is split cannot matter.
    """
    count = z.shape[1]
    rate = np.float32(2.0 / (_SPAN + 1))
    reach = np.float32(_REACH)
    beyond = (np.float32(1.0) - rate) * reach
    clip = np.float32(_CLIP)
    residual = np.empty(count, np.float32)
    for row in range(len(z)):
        state = states[owners[row]]
        last = at + count
        still = last + count
        gap = still + count
        for c in range(count):
            residual[c] = -offset[c]
        for other in range(count):
            value = values[row, other]
            for c in range(count):
                residual[c] += weights[other, c] * value
        for c in range(count):
            if seen[row] == 0:
                state[at + c] = np.float32(0.0)
                state[still + c] = np.float32(-1.0)
                state[gap + c] = np.float32(0.0)
            off = min(max(residual[c], -clip), clip) - state[at + c]
            if off > reach:
                state[at + c] += off - beyond
            elif off < -reach:
                state[at + c] += off + beyond
            else:
                state[at + c] += rate * off
            charts[row, c] = state[at + c] * size[c]
            if np.isnan(z[row, c]):
                state[gap + c] += np.float32(1.0)
            else:
                state[gap + c] = np.float32(0.0)
                if state[still + c] >= 0 and z[row, c] == state[last + c]:
                    state[still + c] += np.float32(1.0)
                else:
                    state[still + c] = np.float32(0.0)
                state[last + c] = z[row, c]
            repeats[row, c] = max(state[still + c], np.float32(0.0))
            gaps[row, c] = state[gap + c]
