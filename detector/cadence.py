"""Cadence: how far apart the records of an entity are, where they come regularly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity

_REGULAR = 0.9
"""Share of the intervals that must lie within half of the usual one."""
_FEWEST_INTERVALS = 20


def cadence_of(times: NDArray[np.int64], entities: NDArray[Any]) -> float:
    """Seconds between the records of an entity [N], by `times` [N] in microseconds; 0 where they are few, carry no time of
    their own or come irregularly."""
    ordered = [np.sort(times[rows]) for rows in rows_by_entity(entities)]
    intervals = np.concatenate([np.zeros(0, np.int64), *(np.diff(of_one) for of_one in ordered)])
    if len(intervals) < _FEWEST_INTERVALS:
        return 0.0
    step = float(np.median(intervals))
    regular = step > 0 and float((np.abs(intervals - step) <= step / 2).mean()) >= _REGULAR
    return step / 1e6 if regular else 0.0
