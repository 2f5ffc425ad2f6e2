"""Stretches of a stream to a bounded number of trace points, by minimum and maximum: pure rules, the same whatever the batches.

A point stands for the records of a stretch of time: it is the strangest of them, with the least and the greatest of each
number beside it. In an alert such stretches are as wide as they must be for the points to fit, each time twice as wide as
before, and begin at multiples of their width: merging what was merged before gives what merging all at once would. What led
up to an alert is thinned the more the further back it lies.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import to_microseconds
from latentwatch.domain.outcome import Stretch, TracePoint
from latentwatch.domain.schema import FeatureType

MOST_IN_COURSE = 480
"""Points of an alert's course."""
LEADING_UP = ((96, 1), (64, 4), (48, 16), (32, 64))
"""What leads up to an alert, from its beginning back: so many points, each of so many records."""


def width_for(moments: Iterable[int], width: int, most: int = MOST_IN_COURSE) -> int:
    """The width in microseconds, at least the given one, at which records of these moments are at most `most` points.

    >>> width_for([0, 3, 5, 9], 1, most=2)
    8
    """
    places = np.unique(np.fromiter(moments, np.int64) // width)
    while len(places) > most:
        width, places = 2 * width, np.unique(places // 2)
    return width


def points_of_course(stretch: Stretch, width: int) -> list[TracePoint]:
    """Points of a stretch in time order, one a piece of time of that many microseconds."""
    order = np.argsort(stretch.batch.times, kind="stable")
    places = stretch.batch.times[order] // width
    return _points(stretch, order, np.flatnonzero(np.r_[True, places[1:] != places[:-1]]))


def points_leading_up(stretch: Stretch) -> list[TracePoint]:
    """Points of what leads up to an alert, in time order."""
    order = np.argsort(stretch.batch.times, kind="stable")
    if not len(order):
        return []
    lengths = [length for count, length in LEADING_UP for _ in range(count)]
    back = np.cumsum(lengths)
    starts = len(order) - back[back < len(order)][::-1]
    beyond = len(order) > back[-1]
    return _points(stretch, order[starts[0] :] if beyond else order, starts - starts[0] if beyond else np.r_[0, starts])


def merged(points: Sequence[TracePoint], width: int) -> list[TracePoint]:
    """Points made of points, in time order, one a piece of time of that many microseconds."""
    ordered = sorted(points, key=lambda point: point.time)
    return [together(list(few)) for _, few in groupby(ordered, key=lambda point: to_microseconds(point.time) // width)]


def together(points: Sequence[TracePoint]) -> TracePoint:
    """One point that stands for some, given in time order: the strangest, with the least and the greatest of each number."""
    if len(points) == 1:
        return points[0]
    strangest = max(points, key=lambda point: point.surprise)  # of equals the first
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for point in points:
        for name, value in (point.low or _numbers(point)).items():
            low[name] = min(value, low.get(name, value))
        for name, value in (point.high or _numbers(point)).items():
            high[name] = max(value, high.get(name, value))
    return TracePoint(
        entity=strangest.entity,
        time=strangest.time,
        offset=strangest.offset,
        partition=strangest.partition,
        surprise=strangest.surprise,
        reconstruction=strangest.reconstruction,
        density=strangest.density,
        flagged=any(point.flagged for point in points),
        values=strangest.values,
        records=sum(point.records for point in points),
        low=low,
        high=high,
    )


def _numbers(point: TracePoint) -> dict[str, float]:
    return {
        name: value
        for name, value in point.values.items()
        if isinstance(value, float | int) and not isinstance(value, bool)
    }


def _points(stretch: Stretch, order: NDArray[np.intp], starts: NDArray[np.intp]) -> list[TracePoint]:
    """Points of a stretch's rows in that order, each from one of the starts to before the next."""
    if not len(order):
        return []
    batch, surprise = stretch.batch, np.nan_to_num(stretch.scores.surprise[order])
    lengths = np.diff(np.r_[starts, len(order)])
    highest = np.repeat(np.maximum.reduceat(surprise, starts), lengths)
    of = np.repeat(np.arange(len(starts)), lengths)
    at = np.flatnonzero(surprise >= highest)
    _, first = np.unique(of[at], return_index=True)  # of equals the first
    rows = order[at[first]]
    flagged = np.logical_or.reduceat(stretch.flagged[order], starts)
    names = [name for name in batch.schema.numbers if batch.schema.feature(name).type is not FeatureType.BOOLEAN]
    columns = [batch.schema.numbers.index(name) for name in names]
    numbers = batch.numbers[order][:, columns]
    low, high = (ends.reduceat(numbers, starts, axis=0) for ends in (np.fmin, np.fmax))
    chosen = batch.take(rows)
    return [
        TracePoint(
            entity=stretch.entity,
            time=chosen.time(place),
            offset=int(chosen.offsets[place]),
            partition=int(chosen.partitions[place]),
            surprise=float(stretch.scores.surprise[row]),
            reconstruction=float(stretch.scores.reconstruction[row]),
            density=float(stretch.scores.density[row]),
            flagged=bool(flagged[place]),
            values=values,
            records=int(lengths[place]),
            low=_known(names, low[place]) if lengths[place] > 1 else {},
            high=_known(names, high[place]) if lengths[place] > 1 else {},
        )
        for place, (row, values) in enumerate(zip(rows.tolist(), chosen.all_values(), strict=True))
    ]


def _known(names: Sequence[str], values: NDArray[np.floating]) -> dict[str, float]:
    return {name: value for name, value in zip(names, values.tolist(), strict=True) if value == value}
