"""Columns of numbers that are no measurements as they stand: counters, clocks, and a value that means "missing".

A sampled column → a sentence for whoever reads the guess, or nothing.
"""

from typing import Any

import pandas as pd

from latentwatch.detector.sampled_columns import Column

_FEW = 50
"""Values below which growth may be chance."""
_MOSTLY_RISES = 0.99
_MOSTLY_MOVES = 0.3
"""A counter stands still at times; a level that was raised twice does so nearly always."""
_SENTINEL_SHARE = 0.005
_SENTINEL_GAP = 3.0
"""How many ranges of the other values, from their 1st to their 99th percentile, a sentinel lies away from them."""


def growth(column: Column, owners: "pd.Series[Any] | None") -> str | None:
    """Why a column whose value only grows cannot be a feature: whatever is learned of it, the next value lies beyond.

    A counter may fall to near its start when its machine does (a reset). `owners` are the rows' entities, each of which
    counts for itself.
    """
    if column.numbers is None or column.typed_time:
        return None
    numbers = column.numbers
    groups = numbers.groupby(owners) if owners is not None else None
    steps = (groups.diff() if groups is not None else numbers.diff()).dropna()
    if len(steps) < _FEW or float((steps >= 0).mean()) < _MOSTLY_RISES or float((steps > 0).mean()) < _MOSTLY_MOVES:
        return None
    before = (groups.shift() if groups is not None else numbers.shift()).dropna()
    after = numbers[before.index]
    falls = after < before
    if bool((after[falls] > before[falls] / 2).any()):  # no reset: a level that rose for a while
        return None
    return (
        f"it only grows ({column.texts.dropna().iloc[0]} to {column.texts.dropna().iloc[-1]}), as a counter or a clock does, so"
        " that every new value would look abnormal; give its change from record to record instead"
    )


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
