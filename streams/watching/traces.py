"""Which records the live page gets to see: at most one an entity and second, and a fixed number a second in all."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import Clock
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.scores import Scores

POINTS_PER_SECOND = 200.0
"""Trace points the scorer writes: the cost of a page must not grow with the stream. A backlog is thinned."""

REPLAYED_POINTS_PER_SECOND = 2_000.0
"""The same for a file, which is read far faster than it happened: an alert is to show what led up to it there too."""


class TraceSampler:
    """Chooses trace points. Remembers the last second it sampled of each entity; used by one thread."""

    def __init__(self, clock: Clock, points_per_second: float = POINTS_PER_SECOND, max_entities: int = 10_000) -> None:
        self._clock = clock
        self._rate = points_per_second
        self._max_entities = max_entities
        self._budget = points_per_second
        self._filled = clock.monotonic()
        self._last_second: dict[str, int] = {}

    def sample(self, batch: Batch, scores: Scores, flagged: NDArray[np.intp]) -> tuple[TracePoint, ...]:
        """Points of this batch, in row order."""
        now = self._clock.monotonic()
        self._budget = min(self._rate, self._budget + (now - self._filled) * self._rate)
        self._filled = now
        rows = self._choose(batch, flagged, int(self._budget))
        self._budget -= len(rows)
        if not rows:
            return ()
        is_flagged = np.zeros(len(batch), bool)
        is_flagged[flagged] = True
        values = batch.take(np.array(rows)).all_values()
        return tuple(
            trace_point(batch, scores, row, bool(is_flagged[row]), values[place]) for place, row in enumerate(rows)
        )

    def _choose(self, batch: Batch, flagged: NDArray[np.intp], limit: int) -> list[int]:
        if not limit or not len(batch):
            return []
        # The last row of each entity and second; long batches are thinned to a few times the limit first.
        seconds = batch.times // 1_000_000
        places = np.arange(len(batch) - 1, -1, -max(1, len(batch) // (4 * limit)))[::-1]
        keys = zip(batch.entities[places].tolist(), seconds[places].tolist(), strict=True)
        latest = dict(zip(keys, places.tolist(), strict=True))
        shown = flagged[-limit:].tolist()
        latest.update({(batch.entities[row], int(seconds[row])): row for row in shown})
        always = set(shown)
        chosen = [
            row
            for (entity, second), row in latest.items()
            if row in always or second > self._last_second.get(entity, -1)
        ]
        if len(chosen) > limit:
            # Flagged rows first, but half the room is left for what surrounds them: people ask what it was like before.
            usual = [row for row in chosen if row not in always]
            chosen = _evenly([row for row in chosen if row in always], batch, max(limit // 2, limit - len(usual)))
            chosen += _evenly(usual, batch, limit - len(chosen))
        chosen.sort()
        if len(self._last_second) > self._max_entities:
            self._last_second.clear()
        for row in chosen:
            self._last_second[batch.entities[row]] = int(seconds[row])
        return chosen


def trace_point(
    batch: Batch, scores: Scores, row: int, flagged: bool, values: dict[str, Value] | None = None
) -> TracePoint:
    """One record as the live page shows it; `values` where they are at hand."""
    return TracePoint(
        entity=batch.entities[row],
        time=batch.time(row),
        offset=int(batch.offsets[row]),
        partition=int(batch.partitions[row]),
        surprise=float(scores.surprise[row]),
        reconstruction=float(scores.reconstruction[row]),
        density=float(scores.density[row]),
        flagged=flagged,
        values=batch.values(row) if values is None else values,
    )


def _evenly(rows: list[int], batch: Batch, most: int) -> list[int]:
    """At most so many rows, evenly over each entity's: a stream faster than the budget shows as a coarser line, not as
    pieces of one."""
    if len(rows) <= most:
        return rows
    ordered = sorted(rows, key=lambda row: (batch.entities[row], row))
    return [ordered[place] for place in np.linspace(0, len(ordered) - 1, most).round().astype(int)]
