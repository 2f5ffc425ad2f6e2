"""Cadence: how far apart the records of an entity are, where they come regularly, and the pauses that they make again and again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity

_REGULAR = 0.9
"""Share of the intervals that must lie within half of the usual one."""
_FEWEST_INTERVALS = 20
OVERDUE = 1.75
"""Cadences after which a record is not merely late."""
_RECURRING_DAYS = 14.0
_FEWEST_RECURRENCES = 2
"""A pause is usual that an entity made so often, and once in so many days."""
_DAY = 86_400e6


def cadence_of(times: NDArray[np.int64], entities: NDArray[Any]) -> float:
    """Seconds between the records of an entity [N], by `times` [N] in microseconds; 0 where they are few, carry no time of
    their own or come irregularly."""
    intervals, _ = _intervals(times, entities)
    if len(intervals) < _FEWEST_INTERVALS:
        return 0.0
    step = float(np.median(intervals))
    regular = step > 0 and float((np.abs(intervals - step) <= step / 2).mean()) >= _REGULAR
    return step / 1e6 if regular else 0.0


def recurring_gap_of(times: NDArray[np.int64], entities: NDArray[Any]) -> float:
    """Seconds of the longest pause between the records of an entity [N] that is usual: nights and weekends, where they come
    by day; 0 where no pause of more than OVERDUE cadences is, or there is no cadence. Arguments as of `cadence_of`."""
    cadence = cadence_of(times, entities)
    intervals, span = _intervals(times, entities)
    if not cadence:
        return 0.0
    count = len(rows_by_entity(entities))
    often = int(np.ceil(max(_FEWEST_RECURRENCES * count, span / _DAY / _RECURRING_DAYS)))
    if often > len(intervals):
        return 0.0
    longest = float(np.partition(intervals, -often)[-often]) / 1e6
    return longest if longest >= OVERDUE * cadence else 0.0


def _intervals(times: NDArray[np.int64], entities: NDArray[Any]) -> tuple[NDArray[np.int64], float]:
    """All intervals between records of an entity, and the microseconds that entities were seen, in sum."""
    ordered = [np.sort(times[rows]) for rows in rows_by_entity(entities)]
    intervals = np.concatenate([np.zeros(0, np.int64), *(np.diff(of_one) for of_one in ordered)])
    return intervals, float(intervals.sum())
