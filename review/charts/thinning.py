"""Long traces to a fixed number of points, without losing what people look for."""

import itertools
from collections.abc import Sequence

from domain.outcome import TracePoint


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
        max(inner[first:stop], key=lambda point: point.surprise)
        for first, stop in itertools.pairwise(edges)
        if stop > first
    ]
    return [points[0], *chosen, points[-1]]


def stretches(points: Sequence[TracePoint], gap_seconds: float) -> list[tuple[int, int]]:
    """Flagged stretches as (first, last) milliseconds since 1970; flagged points closer than the gap are one stretch."""
    found: list[tuple[int, int]] = []
    for point in points:
        if not point.flagged:
            continue
        moment = milliseconds(point)
        if found and moment - found[-1][1] <= gap_seconds * 1000:
            found[-1] = (found[-1][0], moment)
        else:
            found.append((moment, moment))
    return found


def milliseconds(point: TracePoint) -> int:
    """The point's time as charts take it."""
    return round(point.time.timestamp() * 1000)
