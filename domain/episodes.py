"""Episodes: flagged records of one entity that are told as one alert, counted alike by budget, judge, store and pages."""

from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray


def count_episodes(times: NDArray[np.int64], entities: NDArray[Any], gap: timedelta) -> int:
    """How many alerts flagged records [N] make: those of one entity no further apart than the gap are one.

    `times` are microseconds, in any order. `latentwatch.alerts.grouping` applies the same rule to a stream, record by
    record.

    >>> count_episodes(np.array([0, 4_000_000, 9_000_000]), np.array([0, 0, 0]), timedelta(seconds=4))
    2
    """
    if not len(times):
        return 0
    owners = entities.astype(str) if entities.dtype == object else entities
    order = np.lexsort((times, owners))
    times, owners = times[order], owners[order]
    apart = (np.diff(times) > gap // timedelta(microseconds=1)) | (owners[1:] != owners[:-1])
    return 1 + int(apart.sum())
