"""Which records the live page gets to see: at most one an entity and second, flagged ones first."""

import numpy as np
from numpy.typing import NDArray

from domain.outcome import TracePoint
from domain.record import Batch
from domain.scores import Scores

MAX_POINTS = 500
"""Trace points of one batch: the cost of a page must not grow with the stream."""


class TraceSampler:
    """Chooses trace points. Remembers the last second it sampled of each entity; used by one thread."""

    def __init__(self, max_points: int = MAX_POINTS, max_entities: int = 10_000) -> None:
        self._max_points = max_points
        self._max_entities = max_entities
        self._last_second: dict[str, int] = {}

    def sample(self, batch: Batch, scores: Scores, flagged: NDArray[np.intp]) -> tuple[TracePoint, ...]:
        """Points of this batch, in row order."""
        rows = self._choose(batch, flagged)
        is_flagged = np.zeros(len(batch), bool)
        is_flagged[flagged] = True
        return tuple(
            TracePoint(
                entity=batch.entities[row],
                time=batch.time(row),
                offset=int(batch.offsets[row]),
                partition=int(batch.partitions[row]),
                surprise=float(scores.surprise[row]),
                reconstruction=float(scores.reconstruction[row]),
                density=float(scores.density[row]),
                flagged=bool(is_flagged[row]),
                values=batch.values(row),
            )
            for row in rows
        )

    def _choose(self, batch: Batch, flagged: NDArray[np.intp]) -> list[int]:
        seconds = batch.times // 1_000_000
        # The last row of each entity and second in the batch; a dict keeps the last value given for a key. Long
        # batches are thinned first: the ring of a page holds far fewer points than a backlog has.
        step = max(1, len(batch) // (4 * self._max_points))
        places = np.arange(0, len(batch), step)
        keys = zip(batch.entities[places].tolist(), seconds[places].tolist(), strict=True)
        latest = dict(zip(keys, places.tolist(), strict=True))
        shown = flagged[-self._max_points :].tolist()
        latest.update({(batch.entities[row], int(seconds[row])): row for row in shown})
        always = set(shown)
        chosen = [
            row
            for (entity, second), row in latest.items()
            if row in always or second > self._last_second.get(entity, -1)
        ][-self._max_points :]
        if len(self._last_second) > self._max_entities:
            self._last_second.clear()
        for row in chosen:
            self._last_second[batch.entities[row]] = int(seconds[row])
        return sorted(chosen)
