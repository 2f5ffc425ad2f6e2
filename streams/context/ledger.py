"""What the scorer knows of each entity besides its context: columns, one row an entity."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAPS_TO_LEARN = 10
"""Gaps between an entity's arrivals after which the usual one is known."""

NO_DELAY = -(2**62)
"""In a snapshot, for a delay that is not known: one may be negative, where clocks differ."""


class Ledger:
    """Rows are taken and let go by the context store; every row taken is cleared first."""

    def __init__(self) -> None:
        self.records = np.zeros(0, np.int64)
        self.last_time = np.zeros(0, np.int64)
        self.newest_time = np.zeros(0, np.int64)
        """The latest event time of any of its records, microseconds since 1970 UTC."""
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
        self.delay = np.zeros(0, np.float64)
        """Seconds by which its records arrive after their event time: the longest lately; NaN where it was never heard live."""
        self.overdue = np.zeros(0, np.float64)
        """When its next run was first found to be overdue, monotonic seconds; NaN where it is not."""

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
        self.heard[row] = self.delay[row] = self.overdue[row] = np.nan

    def remembered(self, rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """What a snapshot keeps of entities, by its names; learned durations in whole milliseconds."""
        known, heard = self.gaps[rows] >= GAPS_TO_LEARN, ~np.isnan(self.delay[rows])
        return {
            "places": self.place[rows],
            "records": self.records[rows],
            "last_time": self.last_time[rows],
            "last_offset": self.last_offset[rows],
            "usual_gap_ms": np.where(known, np.ceil(self.usual_gap[rows] * 1000), 0).astype(np.int64),
            "untold": self.fresh[rows],
            "newest_time": self.newest_time[rows],
            "delay_ms": np.where(heard, np.ceil(np.nan_to_num(self.delay[rows]) * 1000), NO_DELAY).astype(np.int64),
        }

    def recall(self, rows: NDArray[np.intp], kept: Mapping[str, NDArray[Any]]) -> None:
        """The inverse of `remembered`."""
        self.place[rows], self.fresh[rows] = kept["places"], kept["untold"]
        self.records[rows], self.last_time[rows] = kept["records"], kept["last_time"]
        self.last_offset[rows], self.newest_time[rows] = kept["last_offset"], kept["newest_time"]
        gaps_ms, delay_ms = kept["usual_gap_ms"], kept["delay_ms"]
        self.usual_gap[rows] = gaps_ms / 1000
        self.gaps[rows] = np.where(gaps_ms > 0, GAPS_TO_LEARN, 0)
        self.delay[rows] = np.where(delay_ms == NO_DELAY, np.nan, delay_ms / 1000)


def grown(array: NDArray[Any], capacity: int) -> NDArray[Any]:
    """A copy with room for `capacity` rows, the new ones zero."""
    out = np.zeros((capacity, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out
