"""Values that only grow, as those of a counter, a meter, a sequence number or a clock do: levels they are not.

A column [N] and the rows of each entity, in order -> whether it only grows, and whether it merely runs with the time
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOSTLY_RISES = 0.99
"""It falls where it begins anew, and seldom: a level that rose for a while falls by less, or more often."""
_MOSTLY_MOVES = 0.3
"""A counter stands still at times; a level that was raised twice does so nearly always."""
_RESTARTS_BELOW = 0.5
"""Of the value before: where a counter falls to."""
_STEADY = 0.02
"""Spread of the steps a second, 5th to 95th percentile, relative to their mean, up to which they run with the time."""
_JITTER = 0.3
"""That spread, where the mean is a unit of time: a clock's steps, rounded or read late."""
_UNITS = np.array([1 / 86_400, 1 / 3_600, 1 / 60, 1.0, 1e3, 1e6, 1e9])
"""What a clock of days, hours, minutes, seconds and their parts gains a second."""


def only_grows(values: NDArray[np.float64], rows_of_each: Sequence[NDArray[np.intp]], fewest: int) -> bool:
    """Whether values [N] rise or stand still from each record of an entity to its next, but where they begin anew.

    Missing ones are passed over. Never where there are fewer than `fewest` steps: those may rise by chance.
    """
    rising = falling = steps = 0
    for rows in rows_of_each:
        known = values[rows][np.isfinite(values[rows])]
        change = np.diff(known)
        steps += len(change)
        rising += int((change > 0).sum())
        falling += int((change < 0).sum())
        if (known[1:][change < 0] > _RESTARTS_BELOW * known[:-1][change < 0]).any():
            return False
    if steps < max(fewest, 1):
        return False
    return falling <= (1 - _MOSTLY_RISES) * steps and rising >= _MOSTLY_MOVES * steps


def runs_with_time(
    values: NDArray[np.float64], times: NDArray[np.int64], rows_of_each: Sequence[NDArray[np.intp]]
) -> bool:
    """Whether values [N] rise by the same amount every second of `times` [N], microseconds, as seconds since a start do."""
    slopes, gained, total = [np.zeros(0)], 0.0, 0.0
    for rows in rows_of_each:
        known = rows[np.isfinite(values[rows])]
        seconds, steps = np.diff(times[known]) / 1e6, np.diff(values[known])
        ahead = (seconds > 0) & (steps >= 0)
        slopes.append(steps[ahead] / seconds[ahead])
        gained, total = gained + float(steps[ahead].sum()), total + float(seconds[ahead].sum())
    if not gained > 0 or not total > 0:
        return False
    mean = gained / total
    low, high = np.quantile(np.concatenate(slopes), (0.05, 0.95)) / mean
    is_unit = bool((np.abs(mean / _UNITS - 1) <= _STEADY).any())
    return bool(high - low <= (_JITTER if is_unit else _STEADY))


def share_of_falls(values: NDArray[np.float64], rows_of_each: Sequence[NDArray[np.intp]]) -> float:
    """How many of the steps of values [N] are downward."""
    steps = np.concatenate([np.diff(values[rows][np.isfinite(values[rows])]) for rows in rows_of_each] or [np.zeros(0)])
    return float((steps < 0).mean()) if len(steps) else 0.0
