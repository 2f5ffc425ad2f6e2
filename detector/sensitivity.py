"""The smallest change of each feature that would be caught at a threshold, in the feature's own unit.

Normal records + detector -> a size a feature, by bisection: all features are changed at once, each at places of its own

Where records follow one another, a change makes the next one usual. The features of which only large changes are caught, or
none, are therefore tried again: one place at a time, in records that are normal up to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.faults import find_places
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import FeatureType

SIZES = tuple(2.0**power for power in range(-2, 7))
"""Sizes that are tried, in robust spreads of the feature; what lies between two is not told apart."""
_RECORDS = 12
"""How long a change lasts, where records follow one another."""
_MOST_PLACES = 10
_FEWEST_PLACES = 3
_ALONE = 5
"""Places at which a feature is tried again, each alone."""
_MOST_ALONE = 8
"""Features that are tried again, those least seen first: each takes a pass a place and size."""
_SEEN_WELL = 4.0
"""The size, in spreads, up to which what is caught among other changes is not tried again."""
_MOST_RECORDS = 10_000
"""Records that are changed and scored again, the newest."""

Flagging = Callable[[Batch], NDArray[np.bool_]]
"""Which records of a batch a detector flags, each entity from where it stood before them."""


@dataclass(frozen=True, slots=True)
class SmallestChange:
    """What must happen to one feature to be seen."""

    feature: str
    change: float | None
    """Up or down, caught in half of the places or more; None where not even the largest tried is."""
    tried: float
    """The largest change that was tried."""
    records: int
    """How many records it lasts."""


def smallest_changes(batch: Batch, flags: Flagging, seed: int, *, in_time: bool) -> list[SmallestChange]:
    """Of each numeric feature that moves and has a value in half of the places; of the first ones only, where the records
    have room for no more.

    A change is caught at a place where a record is flagged that is not flagged without it.
    """
    batch = batch.take(slice(max(0, len(batch) - _MOST_RECORDS), len(batch)))
    length = _RECORDS if in_time else 1
    columns, spreads = _moving(batch, 0.5 / length)
    rng = np.random.default_rng(seed)
    room = find_places(batch, rng, len(columns) * _MOST_PLACES, length)
    columns = columns[: len(room) // _FEWEST_PLACES]
    if not len(columns):
        return []
    own = [room[at :: len(columns)] for at in range(len(columns))]
    clean = flags(batch)
    low, high = np.zeros(len(columns), int), np.full(len(columns), len(SIZES))
    while (low < high).any():
        middle = np.minimum((low + high) // 2, len(SIZES) - 1)
        caught = _caught(batch, flags, clean, columns, np.array([SIZES[at] for at in middle]) * spreads[columns], own)
        open_ = low < high
        high = np.where(open_ & caught, middle, high)
        low = np.where(open_ & ~caught, middle + 1, low)
    if in_time:
        for k in _least_seen(high):
            alone = _alone(batch, flags, int(columns[k]), float(spreads[columns[k]]), own[k][:_ALONE])
            high[k] = min(int(high[k]), alone)
    found = [SIZES[at] if at < len(SIZES) else None for at in high.tolist()]
    return [
        SmallestChange(
            batch.schema.numbers[column],
            None if size is None else float(size * spreads[column]),
            float(SIZES[-1] * spreads[column]),
            length,
        )
        for column, size in zip(columns.tolist(), found, strict=True)
    ]


def _moving(batch: Batch, least_known: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Columns of the numeric features that move, and [F] the robust spread of every column.

    Features known in fewer records than that share are left out: most places hold no value of theirs to change, so that they
    would be called unseen whatever the detector sees.
    """
    numbers = np.where(np.isfinite(batch.numbers), batch.numbers, np.nan).astype(np.float64)
    spreads = np.zeros(numbers.shape[1])
    for column, name in enumerate(batch.schema.numbers):
        known = numbers[~np.isnan(numbers[:, column]), column]
        often = len(known) >= max(1, least_known * len(batch))
        if batch.schema.feature(name).type is FeatureType.NUMERIC and often:
            low, high = np.quantile(known, (0.05, 0.95))
            spreads[column] = (high - low) / 3.29 or known.std()
    return np.flatnonzero(spreads > 0), spreads


def _least_seen(high: NDArray[np.int_]) -> list[int]:
    """Which columns to try again, by the places of their sizes in SIZES."""
    large = [k for k in range(len(high)) if high[k] >= len(SIZES) or SIZES[high[k]] > _SEEN_WELL]
    return sorted(large, key=lambda k: -high[k])[:_MOST_ALONE]


def _alone(batch: Batch, flags: Flagging, column: int, spread: float, places: Sequence[NDArray[np.intp]]) -> int:
    """The place in SIZES of the smallest change that is caught in half of the places, each changed alone; len(SIZES) where none is.

    Of a place's entity the records up to its end are scored, which are all that count.
    """
    smallest = []
    for at, rows in enumerate(places):
        mine = np.flatnonzero(batch.entities[: rows[-1] + 1] == batch.entities[rows[0]])
        course, changed = batch.take(mine), np.searchsorted(mine, rows)
        clean = flags(course)
        low, high = 0, len(SIZES)
        while low < high:
            middle = (low + high) // 2
            numbers = course.numbers.copy()
            numbers[changed, column] += (1 if at % 2 else -1) * SIZES[middle] * spread
            if (flags(course.with_numbers(numbers)) & ~clean)[changed].any():
                high = middle
            else:
                low = middle + 1
        smallest.append(low)
    return sorted(smallest)[(len(smallest) - 1) // 2]


def _caught(
    batch: Batch,
    flags: Flagging,
    clean: NDArray[np.bool_],
    columns: NDArray[np.intp],
    changes: NDArray[np.float64],
    own: Sequence[Sequence[NDArray[np.intp]]],
) -> NDArray[np.bool_]:
    """[K] of each column whether its change is caught in half of its places."""
    numbers = batch.numbers.copy()
    for column, change, mine in zip(columns, changes, own, strict=True):
        for place, rows in enumerate(mine):
            numbers[rows, column] += change if place % 2 else -change
    flagged = flags(batch.with_numbers(numbers)) & ~clean
    return np.array([np.mean([flagged[rows].any() for rows in mine]) >= 0.5 for mine in own])
