"""How many records of each group were scored: what alarms by entity, hour and field are compared with.

Batch -> GroupCounts of each day. Alarms themselves are counted from the alerts that there are.
"""

from collections import Counter

import numpy as np

from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.groups import OTHERS, GroupName, groupings
from latentwatch.domain.outcome import GroupCount
from latentwatch.domain.record import Batch

MOST_NAMES = 500
"""Groups of one grouping that are counted one by one; the rest are counted together, so that names such as those of
customers do not fill the database."""
_LONGEST_NAME = 200
_DAY = 86_400_000_000


class GroupCounter:
    """Counts under one model version; knows the groups that it has seen, so that there are never too many."""

    def __init__(self, version: int = 0, segments: tuple[str, ...] = (), timezone: str = "UTC") -> None:
        self._version, self._segments, self._timezone = version, segments, timezone
        self._names: dict[tuple[str, str], set[str]] = {}

    def count(self, batch: Batch) -> tuple[GroupCount, ...]:
        """Of a batch that was scored, by day and group."""
        if not len(batch):
            return ()
        days = batch.times // _DAY
        found = []
        for by, field, values in groupings(batch, self._segments, self._timezone):
            for day in np.unique(days).tolist():
                counted = self._bounded((by.value, field), Counter(values[days == day].tolist()))
                moment = from_microseconds(day * _DAY)
                found += [
                    GroupCount(GroupName(by, field, name), moment, self._version, records)
                    for name, records in counted.items()
                ]
        return tuple(found)

    def _bounded(self, grouping: tuple[str, str], counted: Counter[str]) -> Counter[str]:
        known = self._names.setdefault(grouping, set())
        told: Counter[str] = Counter()
        for value, records in counted.items():
            name = value[:_LONGEST_NAME]
            if name not in known and len(known) >= MOST_NAMES:
                name = OTHERS
            else:
                known.add(name)
            told[name] += records
        return told
