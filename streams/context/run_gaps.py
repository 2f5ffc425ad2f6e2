"""Gaps between an entity's records, by event time, in which runs were missed: found as records come, also in a backlog."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch
from latentwatch.streams.context.ledger import Ledger
from latentwatch.streams.missed_runs import RunRule


@dataclass(frozen=True, slots=True)
class RunGap:
    """Between two records of an entity."""

    entity: str
    partition: int
    offset: int
    """Of the last record before it: tells one gap from another, whoever finds it again."""
    since: int
    """Event time of the latest record before it, microseconds since 1970 UTC."""
    until: int
    """Of the first record after it."""
    runs: int
    """How many are missing."""


@dataclass(slots=True)
class RunGaps:
    """Looks at records before the ledger has counted them. Used by one thread."""

    rule: RunRule | None = None
    """None where no run is ever missed; then nothing is looked at."""
    _found: list[RunGap] = field(default_factory=list)

    def note(self, ledger: Ledger, owners: NDArray[np.intp], piece: Batch) -> None:
        """These records [N], in order, come to their `owners` [N]; moves the ledger's `newest_time` on."""
        if self.rule is None or not len(piece):
            ledger.newest_time[owners] = piece.times
            return
        order = np.argsort(owners, kind="stable")
        rows, times, offsets = owners[order], piece.times[order], piece.offsets[order]
        first = np.concatenate([[True], rows[1:] != rows[:-1]])
        new = first & (ledger.records[rows] == 0)
        ledger.newest_time[rows[new]] = times[new]
        earlier = np.where(first, ledger.newest_time[rows], np.concatenate([times[:1], times[:-1]]))
        latest = _highest_so_far(earlier, np.cumsum(first) - 1)
        for place in np.flatnonzero(times - latest >= self.rule.patience * 1e6).tolist():
            row, since, until = order[place], int(latest[place]), int(times[place])
            before = ledger.last_offset[rows[place]] if first[place] else offsets[place - 1]
            runs = self.rule.missed((until - since) / 1e6)
            entity, partition = piece.entities[row], int(piece.partitions[row])
            self._found.append(RunGap(entity, partition, int(before), since, until, runs))
        np.maximum.at(ledger.newest_time, rows, times)

    def take(self) -> list[RunGap]:
        """Those found since the last call, in the order in which they were found."""
        found, self._found = self._found, []
        return found

    def copy(self) -> "RunGaps":
        """Another one that says the same."""
        return RunGaps(self.rule, self._found.copy())


def _highest_so_far(values: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """[N] the highest of `values` [N] up to each, within its group; `groups` [N] do not fall."""
    distinct, ranks = np.unique(values, return_inverse=True)
    floors = groups * len(distinct)
    return np.asarray(distinct[np.maximum.accumulate(floors + ranks) - floors])
