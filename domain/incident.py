"""Which alerts are one incident: the pure rule.

Two alerts belong together where they began at about the same time, and their entities are related or their reasons are
alike; and where one is a late tail of the other: of the same entity, for like reasons, begun soon after the other ended. An
incident is what is connected by such pairs. The rule looks at how alerts began, which nothing changes afterwards, and at the
end of an entity's earlier alert, which has come before its next one begins; so incidents come out the same in whatever order
partitions are committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.incident_rule import IncidentRule

TAIL_GAPS = 2
"""How many times `within` after an alert's end a like one of its entity may begin and still be its tail. One passes before an alert
of its own begins at all, where `within` is the group gap."""
LIKENESS = 0.85
"""Cosine of two patterns from which on they are alike. In an outage of 30 generated hosts any two reach .93, hosts of two
different faults at most .75."""
MOST_FEATURES = 64
"""Features a pattern keeps, those that contributed most."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How an alert began."""

    alert: int
    entity: str
    time: datetime
    """Event time of the record that opened it."""
    pattern: Mapping[str, float]
    """`pattern_of` that record's contributions."""
    ended: datetime | None = None
    """Event time of its latest record; None where it is the one that opened it."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """What the record that opened it showed in the fields by which the monitor relates entities."""


def pattern_of(contributions: Mapping[str, float]) -> dict[str, float]:
    """Square roots of contributions' shares in their sum: two patterns' cosine is the Bhattacharyya coefficient.

    >>> pattern_of({"pressure": 3.0, "flow": 1.0, "level": 0.0})
    {'pressure': 0.866, 'flow': 0.5}
    """
    positive = sorted(((share, name) for name, share in contributions.items() if share > 0), reverse=True)
    total = sum(share for share, _ in positive)
    return {name: round(float(np.sqrt(share / total)), 3) for share, name in positive[:MOST_FEATURES]}


def linked(openings: Sequence[Opening], others: Sequence[Opening], rule: IncidentRule) -> NDArray[np.bool_]:
    """[N, M] whether each of N alerts belongs together with each of M others."""
    names = sorted({name for each in (*openings, *others) for name in each.pattern})
    columns = {name: column for column, name in enumerate(names)}
    patterns = [pattern_matrix([each.pattern for each in side], columns) for side in (openings, others)]
    alike = patterns[0] @ patterns[1].T >= LIKENESS
    tails = _tails(openings, others, rule) & alike
    near = np.abs(_seconds(openings)[:, None] - _seconds(others)[None]) <= rule.within.total_seconds()
    groups = {entity: rule.groups_of(entity) for entity in {each.entity for each in (*openings, *others)}}
    for row, column in np.argwhere(near & ~alike):
        one, other = openings[row].entity, others[column].entity
        alike[row, column] = (
            one == other
            or not groups[one].isdisjoint(groups[other])
            or not openings[row].shown.items().isdisjoint(others[column].shown.items())
        )
    return np.asarray(near & alike | tails, np.bool_)


def _tails(openings: Sequence[Opening], others: Sequence[Opening], rule: IncidentRule) -> NDArray[np.bool_]:
    """[N, M] whether of two alerts of one entity the one begins soon after the other's end."""
    names = {each.entity: place for place, each in enumerate((*openings, *others))}
    mine, theirs = (np.array([names[each.entity] for each in side], np.int64) for side in (openings, others))
    ends = [np.array([(each.ended or each.time).timestamp() for each in side]) for side in (openings, others)]
    after = np.maximum(_seconds(openings)[:, None] - ends[1][None], _seconds(others)[None] - ends[0][:, None])
    return np.asarray((mine[:, None] == theirs[None]) & (after <= TAIL_GAPS * rule.within.total_seconds()), np.bool_)


def incidents(openings: Sequence[Opening], rule: IncidentRule) -> list[frozenset[int]]:
    """The alerts of each incident, by number.

    >>> from datetime import UTC, datetime
    >>> noon, one = datetime(2026, 1, 1, 12, tzinfo=UTC), {"latency": 1.0}
    >>> outage = [Opening(n, f"web-{n}", noon, one) for n in (1, 2)]
    >>> sorted(map(sorted, incidents([*outage, Opening(3, "db", noon, {"disk": 1.0})], IncidentRule())))
    [[1, 2], [3]]
    """
    links = linked(openings, openings, rule)
    incident_of = union({each.alert: each.alert for each in openings}, openings, openings, links)
    members: dict[int, set[int]] = {}
    for alert, incident in incident_of.items():
        members.setdefault(incident, set()).add(alert)
    return [frozenset(each) for each in members.values()]


def union(
    incident_of: Mapping[int, int], openings: Sequence[Opening], others: Sequence[Opening], links: NDArray[np.bool_]
) -> dict[int, int]:
    """The incident of each alert after incidents that a link connects have become one: the lowest of their numbers."""
    parent = {incident: incident for incident in incident_of.values()}

    def root(incident: int) -> int:
        while parent[incident] != incident:
            parent[incident] = incident = parent[parent[incident]]
        return incident

    for row, column in np.argwhere(links):
        one, other = root(incident_of[openings[row].alert]), root(incident_of[others[column].alert])
        parent[max(one, other)] = min(one, other)
    return {alert: root(incident) for alert, incident in incident_of.items()}


def pattern_matrix(patterns: Sequence[Mapping[str, float]], columns: Mapping[str, int]) -> NDArray[np.float64]:
    """[N, names] patterns of length 1; `columns` holds the place of each name."""
    found = np.zeros((len(patterns), len(columns)))
    for row, pattern in enumerate(patterns):
        for name, share in pattern.items():
            found[row, columns[name]] = share
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(lengths, 1e-12), np.float64)


def _seconds(openings: Iterable[Opening]) -> NDArray[np.float64]:
    return np.array([each.time.timestamp() for each in openings])
