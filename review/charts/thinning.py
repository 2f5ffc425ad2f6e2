"""Long traces to a fixed number of points, without losing what people look for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from latentwatch.domain.outcome import TracePoint


def thin(points: Sequence[TracePoint], most: int) -> list[TracePoint]:
    """At most `most` points in order: of each stretch the strangest one, so that no peak disappears.

    The first and the last point stay, so that the axis keeps its ends.
    """
    if most < 3:
        raise ValueError("a trace needs room for at least three points")
    if len(points) <= most:
        return list(points)
    inner, stretches = points[1:-1], most - 2
    edges = [round(stretch * len(inner) / stretches) for stretch in range(stretches + 1)]
    chosen = [
        max(inner[first:stop], key=lambda point: point.surprise) for first, stop in pairwise(edges) if stop > first
    ]
    return [points[0], *chosen, points[-1]]


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
    pause = timedelta(seconds=max(30 * pace_seconds(near), 3 * slow_step(steps_seconds(near))))
    pauses = [(before.time, after.time) for before, after in pairwise(near) if after.time - before.time > pause]
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
