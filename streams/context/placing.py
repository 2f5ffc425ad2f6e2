"""Which of a batch's records came out of order, and what becomes of them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Placing:
    """What becomes of the new records of entities of which some came late."""

    accepted: list[int] = field(default_factory=list)
    """Rows of the batch that enter their entity's past."""
    late_rows: set[int] = field(default_factory=set)
    """Those of them that came late."""
    late: dict[int, int] = field(default_factory=dict)
    """Owner to the row of its earliest late record, in event time."""
    too_late: list[int] = field(default_factory=list)
    newest: dict[int, int] = field(default_factory=dict)
    """Owner to its newest event time."""

    @property
    def is_late(self) -> NDArray[np.bool_]:
        """[accepted] which of the accepted rows came late."""
        return np.array([row in self.late_rows for row in self.accepted], np.bool_)


def straying(owners: NDArray[np.intp], times: NDArray[np.int64], newest: NDArray[np.int64]) -> NDArray[np.intp]:
    """The owners of which some record is older than one that came before it; `newest` [N] is before the batch.

    >>> straying(np.array([0, 1, 0, 1]), np.array([5, 5, 4, 6]), np.array([0, 0, 0, 0]))
    array([0])
    """
    order = np.argsort(owners, kind="stable")
    owners, times = owners[order], times[order]
    first = np.diff(owners, prepend=-1) != 0
    before = np.where(first, newest[order], np.roll(times, 1))
    return np.unique(owners[times < before])
