"""Where one partition's messages or records end and another's begin."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def segments(partitions: NDArray[np.int32]) -> list[tuple[int, int, int]]:
    """Runs of equal partitions: (partition, first row, row after the last).

    >>> segments(np.array([3, 3, 1], np.int32))
    [(3, 0, 2), (1, 2, 3)]
    """
    if not len(partitions):
        return []
    bounds = [0, *(np.flatnonzero(np.diff(partitions)) + 1).tolist(), len(partitions)]
    return [(int(partitions[first]), first, last) for first, last in pairwise(bounds)]
