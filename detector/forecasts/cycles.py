"""How long a cycle is that no clock knows: a job's every seven hours, a tide's, a process's own."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_FEWEST_CYCLES = 4
"""Of a history that may be said to repeat."""
_SHORTEST = 4
"""Records of a cycle."""
_PEAK = 0.9
"""Of the highest peak, what the first must reach: multiples of a cycle repeat as well."""
_WORTH_ASKING = 0.1
"""Autocorrelation below which no cycle is looked for."""
_MOST_RECORDS = 1 << 17
_FOLDED = 32
"""Slots in which a cycle's length is made precise, and how finely lengths are tried."""


def find_cycle(values: Values, places: NDArray[np.int64]) -> float | None:
    """Records of a cycle, a fraction among them, of values [N] at whole places [N] of a regular grid, both in order; None where
    none stands out. Whether the cycle helps is for forecasts to say.

    The first peak of the autocorrelation beyond its first zero that reaches most of the highest one; then the length near it
    by which the history, folded, has the least variance within a slot: an error of one record in a hundred would blur all.
    """
    recent = places > places[-1] - _MOST_RECORDS if len(places) else np.zeros(0, bool)
    values, places = values[recent], places[recent]
    if len(values) < _FEWEST_CYCLES * _SHORTEST or not np.ptp(values):
        return None
    places = places - places[0]
    values = values - _slow(values)
    correlation = _autocorrelation(values, places)
    below = np.flatnonzero(correlation <= 0)
    most = len(correlation) // (2 * _FEWEST_CYCLES)
    if not len(below) or max(int(below[0]), _SHORTEST) >= most - 1:
        return None
    first = max(int(below[0]), _SHORTEST)
    inner = correlation[first:most]
    highest = float(inner.max())
    if highest < _WORTH_ASKING:
        return None
    tops = np.flatnonzero((inner[1:-1] >= inner[:-2]) & (inner[1:-1] > inner[2:]) & (inner[1:-1] >= _PEAK * highest))
    if not len(tops):
        return None
    return _refined(float(first + 1 + tops[0]), values, places)


def _slow(values: Values) -> Values:
    """[N] the mean of an eighth of all around each: a level that wanders hides what repeats."""
    width = max(1, len(values) // 16)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    last = np.minimum(np.arange(len(values)) + width + 1, len(values))
    first = np.maximum(np.arange(len(values)) - width, 0)
    return np.asarray((sums[last] - sums[first]) / (last - first))


def _autocorrelation(values: Values, places: NDArray[np.int64]) -> Values:
    """[n] of a grid with gaps, by lag, each over the pairs that are there (Wiener and Khinchin)."""
    count = int(places[-1]) + 1
    filled, there = np.zeros(count), np.zeros(count)
    filled[places], there[places] = values, 1.0
    size = 1 << int(np.ceil(np.log2(2 * count)))
    power, pairs = (np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2, size)[:count] for x in (filled, there))
    mean = power / np.maximum(pairs, 1.0)
    return np.asarray(mean / max(float(mean[0]), 1e-12))


def _refined(length: float, values: Values, places: NDArray[np.int64]) -> float:
    """The length near one that folds the history best: within a record at first, then within what each round resolves."""
    span = float(places[-1])
    reach = max(1.5, 0.06 * length)
    while reach > length**2 / span / _FOLDED / 4:
        tried = length + reach * np.linspace(-1.0, 1.0, 2 * _FOLDED + 1)
        tried = tried[tried >= _SHORTEST - 1]
        # a part of the history is folded that is so short that neighbouring lengths cannot pass over the best one
        part = places >= span - max(_FEWEST_CYCLES * length, length**2 / reach * 2.0)
        length = float(tried[np.argmin([_within(values[part], places[part] / each % 1.0) for each in tried.tolist()])])
        reach *= 0.25
    return length


def _within(values: Values, phases: Values) -> float:
    """Sum of squares within slots of phases [N], 0 to 1."""
    slots = (phases * _FOLDED).astype(np.intp)
    sums, seen = np.bincount(slots, values, _FOLDED), np.bincount(slots, minlength=_FOLDED)
    return float((values**2).sum() - (sums**2 / np.maximum(seen, 1)).sum())
