"""Runs that should have come between two records of an entity and did not, told by the records' own times.

A record before and one after, or the time it is now -> how many runs were missed. The same in a file and in a backlog that is
read in one go.
"""

from dataclasses import dataclass
from datetime import timedelta

from latentwatch.detector.cadence import OVERDUE
from latentwatch.detector.interface import Detector
from latentwatch.domain.record import Batch

LEAST_CADENCE = 600.0
"""Seconds between records from which on each is a run that somebody waits for: below it a pause is a matter of many records,
of which SendingWatch speaks."""


@dataclass(frozen=True, slots=True)
class RunRule:
    """When a run of an entity counts as missed."""

    cadence: float
    """Seconds between runs."""
    patience: float
    """Seconds after a record from which on a run was missed."""

    @classmethod
    def of(cls, detector: Detector, late: timedelta = timedelta(), least_cadence: float = 0.0) -> "RunRule | None":
        """By what training saw of the records' times; None where they come irregularly, or faster than `least_cadence`.

        A pause that training saw again and again is none, and a record may come late by `late`.
        """
        cadence = detector.cadence
        if not cadence or cadence < least_cadence or detector.schema.time is None:
            return None
        usual = max(cadence, detector.recurring_gap)
        return cls(cadence, usual + (OVERDUE - 1) * cadence + late.total_seconds())

    def missed(self, seconds: float) -> int:
        """How many runs are missing in so many seconds without a record; 0 where the next is not due yet, or merely late.

        >>> rule = RunRule(cadence=3600, patience=6300)
        >>> [rule.missed(hours * 3600) for hours in (1, 1.7, 2, 4)]
        [0, 0, 1, 3]
        """
        return 0 if seconds < self.patience else max(1, round(seconds / self.cadence) - 1)


class MissedRuns:
    """Remembers when each entity last had a record. Not safe to share between threads."""

    def __init__(self, rule: RunRule | None) -> None:
        """`rule` is None where no run is ever missed."""
        self._rule = rule
        self._last: dict[str, int] = {}

    def before(self, batch: Batch) -> list[int]:
        """[N] how many runs of its entity were missed just before each record; 0 for an entity's first one, and for one
        that came late."""
        if self._rule is None:
            return [0] * len(batch)
        missed = []
        for entity, time in zip(batch.entities.tolist(), batch.times.tolist(), strict=True):
            last = self._last.get(entity, time)
            missed.append(self._rule.missed((time - last) / 1e6))
            self._last[entity] = max(last, time)
        return missed
