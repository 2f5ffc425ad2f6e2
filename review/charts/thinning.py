"""Long traces to a fixed number of points, without losing what people look for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.trace_block import block_of_points


def thin(points: Sequence[TracePoint], most: int) -> list[TracePoint]:
    """At most `most` points in order: of each stretch the strangest one with its least and greatest values, so that neither
    a peak of the score nor one of a number disappears.

    The first and the last point stay, so that the axis keeps its ends.
    """
    if most < 3:
        raise ValueError("a trace needs room for at least three points")
    if len(points) <= most:
        return list(points)
    inner, pieces = points[1:-1], most - 2
    starts = np.unique([round(piece * len(inner) / pieces) for piece in range(pieces)])
    chosen = block_of_points(inner).thinned(starts)
    return [points[0], *chosen.points(points[0].entity), points[-1]]


def gaps(points: Sequence[TracePoint], paces: int = 6) -> set[int]:
    """The points behind which the stream paused for so many usual steps, by their places: a line across would claim records
    there.

    Where a point stands for several records, the next one may be as many steps away.
    """
    steps = [1000 * step for step in steps_seconds(points)]
    if not steps:
        return set()
    stand_for = [max(before.records, after.records) for before, after in pairwise(points)]
    by_record = sorted(step / count for step, count in zip(steps, stand_for, strict=True))
    pace, least = by_record[len(by_record) // 2], max(3 * slow_step(steps), 2000)
    return {
        place
        for place, (step, count) in enumerate(zip(steps, stand_for, strict=True))
        if step > max(paces * pace * count, least)
    }


def stretches(points: Sequence[TracePoint]) -> list[tuple[int, int]]:
    """Flagged stretches as (first, last) milliseconds since 1970; up to two unflagged points between are bridged."""
    found: list[tuple[int, int]] = []
    gap_seconds = 3 * pace_seconds(points)
    for point in points:
        if not point.flagged:
            continue
        moment = milliseconds(point)
        if found and moment - found[-1][1] <= gap_seconds * 1000:
            found[-1] = (found[-1][0], moment)
        else:
            found.append((moment, moment))
    return found


def around(points: Sequence[TracePoint], start: datetime, end: datetime) -> list[TracePoint]:
    """The part of a kept trace that belongs beside an alert: not so much before it that the alert becomes a sliver.

    Before it stay twice its own length, or forty points where that is more; a long pause ends the picture either way.
    """
    lead = max(2 * (end - start), timedelta(seconds=40 * pace_seconds(points)))
    near = [point for point in points if point.time >= start - lead]
    pauses = [(near[place].time, near[place + 1].time) for place in sorted(gaps(near, 30))]
    first = max((after for _, after in pauses if after <= start), default=start - lead)
    last = min((before for before, _ in pauses if before >= end), default=near[-1].time if near else end)
    return [point for point in near if first <= point.time <= last]


def pace_seconds(points: Sequence[TracePoint]) -> float:
    """The usual time between neighbouring points."""
    steps = sorted(steps_seconds(points))
    return steps[len(steps) // 2] if steps else 1.0


def steps_seconds(points: Sequence[TracePoint]) -> list[float]:
    """The times between neighbouring points."""
    return [(after.time - before.time).total_seconds() for before, after in pairwise(points)]


def slow_step(steps: Sequence[float]) -> float:
    """A step that a tenth of all exceed: how far apart calm points are where flagged ones stand close together."""
    return sorted(steps)[len(steps) * 9 // 10] if steps else 0.0


def milliseconds(point: TracePoint) -> int:
    """The point's time as charts take it."""
    return round(point.time.timestamp() * 1000)
