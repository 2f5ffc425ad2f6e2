"""From a budget of false alarms to a threshold: the stream's rate, and how long normal records stay above a level.

Neighbouring records look alike, so flagged ones come in episodes. A budget in alarms a day counts episodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.budget import Budget
from latentwatch.detector.cadence import cadence_of, recurring_gap_of
from latentwatch.detector.entities import rows_by_entity
from latentwatch.domain.episodes import count_episodes
from latentwatch.domain.policies import AlertPolicy

Floats = NDArray[np.float64]

LEVELS = np.linspace(1.0, 4.0, 13)
"""Surprises at which the length of episodes is measured."""
GAPS = 10.0 ** np.arange(-2.5, 1.6, 0.5)
"""Gaps for which it is, in gaps of an alert whose policy says `auto`."""
_DAY_MICROSECONDS = 86_400_000_000
_FEWEST_EPISODES = 8
_MOST_CHANCE = 0.25
"""Expected episodes within one gap beyond which chance, rather than likeness, brings flagged records together."""
_HIGHEST, _LOWEST = 12.0, 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast records come, and how they cluster above a level."""

    records_per_day: float
    """Of all entities."""
    lengths: Floats
    """[len(GAPS), len(LEVELS)] mean records of an episode of normal records by gap, above each level: at least 1, not
    increasing with the level, not decreasing with the gap. [len(LEVELS)] in bundles of before gaps were told apart."""
    cadence: float = 0.0
    """Seconds between the records of an entity; 0 where they do not come regularly."""
    entities: int = 1
    """How many there were; 1 in bundles of before they were counted."""
    recurring_gap: float = 0.0
    """Seconds of the longest pause between the records of an entity that is usual; 0 where there is none, or it is not known."""

    def budget(self, policy: AlertPolicy, resolution: float, least: float = 0.0) -> Budget:
        """What the policy comes to, never beyond a surprise of `resolution`: there calibration ends. A share of records is
        kept whatever it is; no threshold is below `least`."""
        least = max(least, float(-np.log10(policy.highest_rate)))
        threshold = max(self.threshold(policy), least)
        if policy.false_alarm_rate is None:
            threshold = min(threshold, max(resolution, least))
        asked = None if policy.false_alarm_rate is not None else policy.daily_budget(self.entities)
        return Budget(threshold, self.entities, asked, self.alarms_a_day(threshold, policy), resolution)

    def alarms_a_day(self, threshold: float, policy: AlertPolicy) -> float:
        """Episodes of normal records a day from that surprise on, over all entities."""
        return float(self.records_per_day * 10.0**-threshold / np.interp(threshold, LEVELS, self._lengths(policy)))

    def threshold(self, policy: AlertPolicy) -> float:
        """The lowest surprise s with 10^-s <= rate, from which on records a day x 10^-s / episode length <= alarms a day."""
        least = float(-np.log10(policy.highest_rate))
        if policy.false_alarm_rate is not None:
            return least
        levels = np.linspace(_LOWEST, _HIGHEST, 2301)
        episodes = self.records_per_day * 10.0**-levels / np.interp(levels, LEVELS, self._lengths(policy))
        beyond = np.flatnonzero(episodes > policy.daily_budget(self.entities))
        lowest = float(levels[min(beyond[-1] + 1, len(levels) - 1)]) if len(beyond) else _LOWEST
        return max(least, lowest)

    def _lengths(self, policy: AlertPolicy) -> Floats:
        """[len(LEVELS)] records of an episode, for the gap between alerts."""
        if self.lengths.ndim == 1:
            return self.lengths
        gap = policy.gap(self.cadence) / AlertPolicy().gap(self.cadence)
        place = np.interp(np.log10(max(gap, GAPS[0])), np.log10(GAPS), np.arange(len(GAPS)))
        below = int(place)
        share = place - below
        above = min(below + 1, len(GAPS) - 1)
        return np.asarray((1 - share) * self.lengths[below] + share * self.lengths[above])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {"lengths": self.lengths}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "records_per_day": self.records_per_day,
            "cadence": self.cadence,
            "entities": self.entities,
            "recurring_gap": self.recurring_gap,
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`."""
        if arrays["lengths"].shape not in (LEVELS.shape, GAPS.shape + LEVELS.shape):
            raise ValueError("episode lengths do not fit their levels")
        return cls(
            float(meta["records_per_day"]),
            arrays["lengths"],
            float(meta.get("cadence", 0.0)),
            int(meta.get("entities", 1)),
            float(meta.get("recurring_gap", 0.0)),
        )


def fit_pace(times: NDArray[np.int64], entities: NDArray[np.intp], surprise: NDArray[np.float32]) -> Pace:
    """Measure on out-of-sample surprises [N] of normal records."""
    rows_of_each = rows_by_entity(entities)
    span = sum(float(np.ptp(times[rows])) for rows in rows_of_each)
    # Entities may have been recorded one after the other: the rate is that of all of them at once.
    daily = len(times) * len(rows_of_each) / max(span, 1.0) * _DAY_MICROSECONDS
    cadence = cadence_of(times, entities)
    lengths = np.ones((len(GAPS), len(LEVELS)))
    for row, factor in enumerate(GAPS):
        gap = float(factor) * AlertPolicy().gap(cadence)
        lengths[row] = _lengths(times, entities, surprise, gap, span)
    return Pace(daily, np.maximum.accumulate(lengths), cadence, len(rows_of_each), recurring_gap_of(times, entities))


def _lengths(
    times: NDArray[np.int64], entities: NDArray[np.intp], surprise: NDArray[np.float32], gap: timedelta, span: float
) -> Floats:
    """[len(LEVELS)] mean records of an episode above each level, in a history of `span` entity microseconds.

    At a level with few episodes they are as long as at the level below; where there are so many that they meet by chance,
    as at the first level above where they do not.
    """
    lengths = np.full(len(LEVELS), np.nan)
    for number, level in enumerate(LEVELS):
        flagged = surprise >= level
        episodes = count_episodes(times[flagged], entities[flagged], gap)
        if episodes >= _FEWEST_EPISODES and episodes * gap <= _MOST_CHANCE * timedelta(microseconds=span):
            lengths[number] = flagged.sum() / episodes
    known = np.flatnonzero(np.isfinite(lengths))
    if not len(known):
        return np.ones(len(LEVELS))
    return np.minimum.accumulate(np.interp(np.arange(len(LEVELS)), known, lengths[known]))
