"""What the scorer knows of each entity besides its context: columns, one row an entity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GAPS_TO_LEARN = 10
"""Gaps between an entity's arrivals after which the usual one is known."""


class Ledger:
    """Rows are taken and let go by the context store; every row taken is cleared first."""

    def __init__(self) -> None:
        self.records = np.zeros(0, np.int64)
        self.last_time = np.zeros(0, np.int64)
        self.last_offset = np.zeros(0, np.int64)
        self.fresh = np.zeros(0, np.bool_)
        """Whether the row changed since its entity was last reported."""
        self.changed = np.zeros(0, np.bool_)
        """Whether the row, or its entity's state, changed since the partition's last snapshot."""
        self.place = np.zeros(0, np.int64)
        """The entity's place in its partition's snapshots."""
        self.doubted = np.zeros(0, np.bool_)
        """Whether an alert that the entity stopped may stand open in the database: until its next record."""
        self.stopped = np.zeros(0, np.bool_)
        """Whether it was said that it stopped sending."""
        self.together = np.zeros(0, np.bool_)
        """Whether it was told as its whole partition's."""
        self.counted = np.zeros(0, np.int64)
        """Its records when the watch last looked."""
        self.heard = np.zeros(0, np.float64)
        """When the watch last heard it, monotonic seconds; NaN before the first look."""
        self.usual_gap = np.zeros(0, np.float64)
        """Seconds between its arrivals: the longest lately."""
        self.gaps = np.zeros(0, np.int64)
        """Gaps that `usual_gap` was learned from."""

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        for name, column in vars(self).items():
            setattr(self, name, grown(column, capacity))

    def copy(self) -> "Ledger":
        """Another one that says the same."""
        other = Ledger()
        for name, column in vars(self).items():
            setattr(other, name, column.copy())
        return other

    def clear(self, row: int | NDArray[np.intp]) -> None:
        """Nothing is known of a new entity, or of several."""
        for column in vars(self).values():
            column[row] = 0
        self.last_offset[row] = -1
        self.heard[row] = np.nan

    def learned_gaps_ms(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Usual gaps to be remembered, whole milliseconds; 0 where not enough was learned."""
        known = self.gaps[rows] >= GAPS_TO_LEARN
        return np.where(known, np.ceil(self.usual_gap[rows] * 1000), 0).astype(np.int64)

    def recall_gaps(self, rows: NDArray[np.intp], gaps_ms: NDArray[np.int64]) -> None:
        """The inverse of `learned_gaps_ms`."""
        self.usual_gap[rows] = gaps_ms / 1000
        self.gaps[rows] = np.where(gaps_ms > 0, GAPS_TO_LEARN, 0)


def grown(array: NDArray[Any], capacity: int) -> NDArray[Any]:
    """A copy with room for `capacity` rows, the new ones zero."""
    out = np.zeros((capacity, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out
