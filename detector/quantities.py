"""Columns of numbers that are no measurements as they stand: counters, clocks, and a value that means "missing".

A sampled column → what is to be said of it to whoever reads the guess, or nothing.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.growth import only_grows, runs_with_time
from latentwatch.detector.sampled_columns import Column

_FEW = 50
"""Values below which growth may be chance."""
_SENTINEL_SHARE = 0.005
_SENTINEL_GAP = 3.0
"""How many ranges of the other values, from their 1st to their 99th percentile, a sentinel lies away from them."""


class Growth(NamedTuple):
    """Of a column whose value only grows: whatever is learned of it, the next value lies beyond."""

    said: str
    """From where to where, for people."""
    is_clock: bool
    """Whether it merely runs with the time."""


def growth(column: Column, owners: "pd.Series[Any] | None", times: NDArray[np.int64] | None = None) -> Growth | None:
    """How a column only grows; None where it does not.

    It may fall to near its start when its machine does. `owners` are the rows' entities, each of which counts for itself,
    by the column's index, and `times` [N] the rows' own, microseconds since 1970 UTC, where they are known.
    """
    if column.numbers is None or column.typed_time:
        return None
    numbers = column.numbers.to_numpy(np.float64, na_value=np.nan)
    of = np.zeros(len(numbers), np.intp) if owners is None else pd.factorize(owners.loc[column.numbers.index])[0]
    rows_of_each = rows_by_entity(of)
    if not only_grows(numbers, rows_of_each, _FEW):
        return None
    said = f"it only grows ({column.texts.dropna().iloc[0]} to {column.texts.dropna().iloc[-1]})"
    return Growth(said, times is not None and runs_with_time(numbers, times, rows_of_each))


def sentinel(column: Column) -> str | None:
    """A sentence on an extreme value that repeats far from all others, such as -200 where a sensor had nothing to say."""
    if column.numbers is None:
        return None
    numbers = column.numbers.dropna()
    for extreme in (float(numbers.min()), float(numbers.max())):
        here = numbers == extreme
        others = numbers[~here]
        if not _SENTINEL_SHARE <= float(here.mean()) < 0.5 or others.nunique() < _FEW:
            continue
        low, high = others.quantile([0.01, 0.99])
        away = max(float(others.min()) - extreme, extreme - float(others.max()))
        if away > _SENTINEL_GAP * float(high - low):
            return (
                f"{column.name!r} is {extreme:g} in {float(here.mean()):.0%} of the rows, far from its other values ({low:g} to"
                f" {high:g}): if that means 'no value', say 'missing: [{extreme:g}]' in the monitor's record, or it is learned as one"
            )
    return None
