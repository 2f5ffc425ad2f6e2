"""Runs that should have come between two records of an entity and did not, told by the records' own times.

Batch [N] -> how many were missed before each record [N]; the same in a file and in a backlog that is read in one go
"""

import numpy as np

from latentwatch.domain.record import Batch

_OVERDUE = 1.75
"""Cadences after which a run was missed, and is not merely late."""


class MissedRuns:
    """Remembers when each entity last had a record. Not safe to share between threads."""

    def __init__(self, cadence: float) -> None:
        """`cadence` is how many seconds lie between an entity's records; 0 where they come irregularly, and none is missed."""
        self._cadence = cadence * 1e6
        self._last: dict[str, int] = {}

    def before(self, batch: Batch) -> list[int]:
        """[N] how many runs of its entity were missed just before each record; 0 for an entity's first one, and for one
        that came late."""
        if not self._cadence or batch.schema.time is None:
            return [0] * len(batch)
        missed = []
        for entity, time in zip(batch.entities.tolist(), batch.times.tolist(), strict=True):
            last = self._last.get(entity)
            gap = 0 if last is None else time - last
            missed.append(int(np.rint(gap / self._cadence)) - 1 if gap >= _OVERDUE * self._cadence else 0)
            if last is None or time > last:
                self._last[entity] = time
        return missed
