"""Which records are metrics: few numbers that come at a regular pace, slow enough for the time of day to tell of them."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.cadence import cadence_of
from latentwatch.detector.entities import rows_by_entity
from latentwatch.domain.record import Batch

DAY = 86_400e6
"""Microseconds."""
_FASTEST, _SLOWEST = 60e6, DAY / 4
"""Microseconds between records: faster ones are a machine's, not a metric's, and slower ones show no day."""
FEW_CHANNELS = 4
MOST_CHANNELS = 8
"""Channels up to which forecasts help where a day repeats in at least half of them."""
LONG_ENOUGH = 28.0
"""Days that a model has read from which its calibration is a promise,"""
MANY_ENOUGH = 1_000
"""where there are as many records: a month at an hour promises nothing."""
SETTLES = 3.0
"""Days until the tables of the day have filled; at most a third of the history."""
_READ = 0.78
"""Share of a history that is read: a fifth is held out to judge by, with a gap before it."""
_FEWEST_DAYS = 3.0
_FEWEST_RECORDS = 120
"""History without which a day cannot be told from chance."""
_FEWEST_VALUES = 10
"""A number of no more is a switch or a grade."""


def days_to_promise(daily: float, entities: int) -> int:
    """Days that a history must hold for calibration to be a promise, where each entity has `daily` records a day.

    >>> days_to_promise(288.0, 1), days_to_promise(24.0, 1)
    (36, 58)
    """
    return int(np.ceil(max(LONG_ENOUGH, SETTLES + MANY_ENOUGH / daily / entities) / _READ))


def is_metric(history: Batch) -> bool:
    """Whether records are so few numbers at such a pace that they are forecast, whatever neighbouring ones tell of each other."""
    schema = history.schema
    if schema.categories or schema.texts or not 1 <= len(schema.numbers) <= FEW_CHANNELS:
        return False
    graded = [len(np.unique(column[np.isfinite(column)])) > _FEWEST_VALUES for column in history.numbers.T]
    return any(graded) and regular_pace(history) is not None


def regular_pace(history: Batch) -> float | None:
    """Microseconds between an entity's records where they carry a time and come regularly, for some days and neither faster
    than one a minute nor slower than four a day."""
    if history.schema.time is None or len(history) < _FEWEST_RECORDS:
        return None
    rows_of_each = rows_by_entity(history.entities)
    pace = cadence_of(history.times, history.entities) * 1e6
    return pace if _FASTEST <= pace <= _SLOWEST and days_of(history, rows_of_each) >= _FEWEST_DAYS else None


def days_of(history: Batch, rows_of_each: list[NDArray[np.intp]]) -> float:
    """From an entity's first record to its last, the median of all entities."""
    return float(np.median([float(np.ptp(history.times[rows])) for rows in rows_of_each])) / DAY
