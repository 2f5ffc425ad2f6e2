"""When a record comes by the clock of its place: its time of day and of week, daylight saving known."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

_QUARTER = 900
"""Seconds within which no clock is put forward or back."""
_DAY, _WEEK = 86_400, 604_800
_MONDAY = 3 * _DAY
"""1 January 1970 was a Thursday."""


def places(times: NDArray[np.int64], timezone: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of times [N], microseconds since 1970 UTC: the time of day [N], 0 to 1, and the hour of the week [N], 0 to 168 from
    Monday on, in a zone of the IANA database.

    >>> [place.tolist() for place in places(np.array([1_772_409_600_000_000]), "Asia/Tokyo")]
    [[0.375], [9.0]]
    """
    seconds = times / 1e6
    if timezone != "UTC":
        quarters, which = np.unique(times // (_QUARTER * 1_000_000), return_inverse=True)
        seconds = seconds + np.array([_offset(quarter, timezone) for quarter in quarters.tolist()])[which]
    return seconds % _DAY / _DAY, (seconds + _MONDAY) % _WEEK / 3600


@lru_cache(maxsize=100_000)
def _offset(quarter: int, timezone: str) -> float:
    """Seconds that a zone's clock is ahead of UTC."""
    ahead = datetime.fromtimestamp(quarter * _QUARTER, UTC).astimezone(ZoneInfo(timezone)).utcoffset()
    return 0.0 if ahead is None else ahead.total_seconds()
