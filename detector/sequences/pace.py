"""From a budget of false alarms to a threshold: the stream's rate, and how long normal records stay above a level.

Neighbouring records look alike, so flagged ones come in episodes. A budget in alarms a day counts episodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import count_runs, rows_by_entity
from latentwatch.domain.monitor import AlertPolicy

LEVELS = np.linspace(1.0, 4.0, 13)
"""Surprises at which the length of episodes is measured."""
_DAY_MICROSECONDS = 86_400_000_000
_FEWEST_EPISODES = 8
_HIGHEST, _LOWEST = 12.0, 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast records come, and how they cluster above a level."""

    records_per_day: float
    lengths: NDArray[np.float64]
    """[len(LEVELS)] mean records of an episode of normal records above each level, at least 1, not increasing."""

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise s with 10^-s = rate, or with records a day x 10^-s / episode length at s = alarms a day."""
        if policy.false_alarm_rate is not None:
            return float(-np.log10(policy.false_alarm_rate))
        budget = policy.false_alarms_per_day or 2.0
        levels = np.linspace(_LOWEST, _HIGHEST, 2301)
        episodes = self.records_per_day * 10.0**-levels / np.interp(levels, LEVELS, self.lengths)
        within = np.flatnonzero(episodes <= budget)
        return float(levels[within[0]]) if len(within) else _HIGHEST

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {"lengths": self.lengths}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"records_per_day": self.records_per_day}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`."""
        if arrays["lengths"].shape != LEVELS.shape:
            raise ValueError("episode lengths do not fit their levels")
        return cls(float(meta["records_per_day"]), arrays["lengths"])


def fit_pace(times: NDArray[np.int64], entities: NDArray[np.intp], surprise: NDArray[np.float32]) -> Pace:
    """Measure on out-of-sample surprises [N] of normal records, rows of each entity in order of time."""
    rows_of_each = rows_by_entity(entities)
    span = sum(float(np.ptp(times[rows])) for rows in rows_of_each)
    # Entities may have been recorded one after the other: the rate is that of all of them at once.
    daily = len(times) * len(rows_of_each) / max(span, 1.0) * _DAY_MICROSECONDS
    lengths: list[float] = []
    for level in LEVELS:
        flagged = surprise >= level
        starts = count_runs(flagged, rows_of_each)
        usual = lengths[-1] if lengths else 1.0
        lengths.append(max(1.0, float(flagged.sum()) / starts) if starts >= _FEWEST_EPISODES else usual)
    return Pace(daily, np.minimum.accumulate(np.array(lengths, np.float64)))
