"""Which entities miss a run, such as a nightly or hourly job's: alone or among others, live or in a backlog.

Live, a run is missed once its entity's latest event time lies farther back than the rule's patience, and than its records
usually take to arrive. It counts only while the partition is read to its end, and where the entity was heard live before: what
stands at the end of an old topic misses nothing. In a backlog the next record tells, by its event time.

SendingWatch speaks of entities that send many records an hour, this one of those that send few; nobody is told both of one
pause, because what either has told is noted in the ledger, and by the same last record in the database.
"""

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import Clock, from_microseconds, to_microseconds
from latentwatch.domain.outcome import MissedRun
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.missed_runs import RunRule
from latentwatch.streams.outcomes import Serving
from latentwatch.streams.watching.stopped_sending import SMALL_LAG, speaks_elsewhere

_LOOK_SECONDS = 3.0
_SURE_SECONDS = 10.0
"""How long a run must have been found overdue: what had not been read yet when it was found has been read by then."""


class RunWatch:
    """Watches the entities of a context store. Used by one thread."""

    def __init__(self, contexts: ContextStore, clock: Clock) -> None:
        self._contexts = contexts
        self._clock = clock
        self._looked = float("-inf")

    def found(self, serving: Serving) -> tuple[MissedRun, ...]:
        """Runs that were missed before records that have come since the last call."""
        gaps, rule = self._contexts.run_gaps.take(), self._contexts.run_gaps.rule
        return tuple(
            _missed(gap.entity, gap.partition, gap.offset, gap.since, gap.until, gap.runs, rule, serving)
            for gap in gaps
            if rule is not None
        )

    def look(self, lag: dict[int, int], serving: Serving) -> tuple[MissedRun, ...]:
        """Entities whose next run is overdue, each told once. Call it often; `lag` tells of the partitions read now."""
        rule, now = self._contexts.run_gaps.rule, self._clock.monotonic()
        if rule is None or now - self._looked < _LOOK_SECONDS:
            return ()
        self._looked = now
        missed: list[MissedRun] = []
        ledger, wall = self._contexts.ledger, to_microseconds(self._clock.now())
        for partition, behind in lag.items():
            index, rows = self._contexts.members(partition)
            due = self._due(rows, wall, rule) & (behind <= SMALL_LAG)
            ledger.overdue[rows[~due]] = np.nan
            ledger.overdue[rows[due]] = np.fmin(ledger.overdue[rows[due]], now)  # NaN where it was not before
            sure = due & (now - ledger.overdue[rows] >= _SURE_SECONDS)
            names = list(index) if sure.any() else []
            for place in np.flatnonzero(sure).tolist():
                row, name = int(rows[place]), names[place]
                if speaks_elsewhere(self._contexts, name, row, lag):
                    continue
                since, last = int(ledger.newest_time[row]), int(ledger.last_offset[row])
                runs = rule.missed((wall - since) / 1e6)
                missed.append(_missed(name, partition, last, since, None, runs, rule, serving))
                ledger.stopped[row] = ledger.doubted[row] = True
        return tuple(missed)

    def _due(self, rows: NDArray[np.intp], wall: int, rule: RunRule) -> NDArray[np.bool_]:
        """[len(rows)] whose run is overdue at a wall time in microseconds, and was not told yet."""
        ledger = self._contexts.ledger
        pause = np.maximum(ledger.usual_gap[rows] - rule.cadence, 0)  # where they arrive by the day, say
        limit = (rule.patience + pause + ledger.delay[rows]) * 1e6  # NaN, and never reached, where it was never heard
        return ~ledger.stopped[rows] & (wall - ledger.newest_time[rows] >= limit)


def _missed(
    entity: str, partition: int, offset: int, since: int, until: int | None, runs: int, rule: RunRule, serving: Serving
) -> MissedRun:
    due = since + round(rule.cadence * 1e6)
    return MissedRun(
        entity=entity,
        partition=partition,
        offset=offset,
        due=from_microseconds(due),
        until=None if until is None else from_microseconds(max(until, due)),
        runs=runs,
        model_version=serving.version,
        threshold=serving.threshold,
    )
