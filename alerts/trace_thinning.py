"""Stretches of a stream to a bounded number of trace points, by minimum and maximum: pure rules, the same whatever the batches.

A point stands for the records of a stretch of time: it is the strangest of them, with the least and the greatest of each
number beside it. In an alert such stretches are as wide as they must be for the points to fit, each time twice as wide as
before, and begin at multiples of their width: merging what was merged before gives what merging all at once would. What led
up to an alert is thinned the more the further back it lies.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.trace_block import TraceBlock, blocks_together

MOST_IN_COURSE = 480
"""Points of an alert's course."""
LEADING_UP = ((96, 1), (64, 4), (48, 16), (32, 64))
"""What leads up to an alert, from its beginning back: so many points, each of so many records."""


def width_for(moments: NDArray[np.int64], width: int, most: int = MOST_IN_COURSE) -> int:
    """The width in microseconds, at least the given one, at which records of these moments are at most `most` points.

    >>> width_for(np.array([0, 3, 5, 9]), 1, most=2)
    8
    """
    places = np.sort(moments) // width
    while 1 + np.count_nonzero(np.diff(places)) > most:
        width, places = 2 * width, places // 2
    return width


def merged(blocks: Sequence[TraceBlock], width: int) -> TraceBlock:
    """Points made of points, in time order, one a piece of time of that many microseconds."""
    whole = blocks_together(blocks)
    places = whole.times // width
    return whole.thinned(np.flatnonzero(np.append(True, places[1:] != places[:-1]))) if len(whole) else whole


def leading_up(records: TraceBlock) -> TraceBlock:
    """Points of records that lead up to an alert."""
    count = len(records)
    back = np.cumsum([length for points, length in LEADING_UP for _ in range(points)])
    starts = count - back[back < count][::-1]
    if count > back[-1]:
        return records.take(slice(int(starts[0]), None)).thinned(starts - starts[0])
    return records.thinned(np.append(0, starts))
