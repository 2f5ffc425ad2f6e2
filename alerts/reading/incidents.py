"""Incidents by filter, page by page: what an operator looks at first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, and_, case, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.reading.disputes import disputed_alerts
from latentwatch.alerts.reading.inbox import (
    COUNT_LIMIT,
    MOST_ALERTS,
    MOST_OFFSET,
    AlertFilter,
    Order,
    matching,
    page_of,
)
from latentwatch.alerts.reading.kinds import incidents_by_kind
from latentwatch.alerts.reading.rows import alert_of
from latentwatch.alerts.reading.teaching import teaching_incidents
from latentwatch.alerts.session import reading
from latentwatch.alerts.steps import steps_of
from latentwatch.alerts.tables import AlertEventRow, AlertRow
from latentwatch.domain.alert import Alert, AlertStatus, Severity, Verdict
from latentwatch.domain.loudness import LOUDNESS, WIDE, in_words, widened
from latentwatch.domain.stake import stakes_in_words

MOST_SHOWN = 200
"""Alerts of one incident that are read; of more, the first."""
MOST_EVENTS = 100
_NAMED = 3
_AHEAD: Mapping[str, Callable[[Session, Select[Any]], list[int]]] = {
    "teaching": teaching_incidents,
    "likeness": incidents_by_kind,
}
"""Orders that no column says: the numbers that stand before all others."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts that belong together, as one thing to look at."""

    id: int
    alerts: tuple[Alert, ...]
    """In the order in which they began, at most MOST_SHOWN."""
    count: int
    """Alerts in all."""
    entity_count: int
    severity: Severity
    """Of its loudest alert, and a step louder where it is wide."""
    status: AlertStatus
    """Open as long as one alert is; then acknowledged, then snoozed, then silenced, as long as one is."""
    started: datetime
    ended: datetime
    records: int
    at_stake: float = 0.0
    """The sum of what its alerts put at stake, by which incidents can be ordered."""
    disputed: bool = False
    """Whether one reviewer calls one of its alerts real and another false."""

    @property
    def entities(self) -> list[str]:
        """Each once, in order of onset; of those that are read."""
        return list(dict.fromkeys(alert.entity for alert in self.alerts))

    @property
    def monitors(self) -> list[str]:
        """Each once, in order of onset; of the alerts that are read."""
        return list(dict.fromkeys(alert.monitor for alert in self.alerts))

    @property
    def features(self) -> list[str]:
        """What most of its alerts are about, at most five."""
        counted: dict[str, int] = {}
        for alert in self.alerts:
            for feature in alert.features:
                counted[feature] = counted.get(feature, 0) + 1
        return sorted(counted, key=counted.__getitem__, reverse=True)[:5]

    @property
    def verdict(self) -> Verdict | None:
        """The one that all alerts have; None where they differ or somebody has none."""
        verdicts = {alert.verdict for alert in self.alerts}
        return verdicts.pop() if len(verdicts) == 1 else None

    @property
    def assignees(self) -> list[str]:
        """Who takes care of its alerts, each once; of those that are read."""
        return sorted({alert.assignee for alert in self.alerts if alert.assignee})

    @property
    def snoozed_until(self) -> datetime | None:
        """When the first of its snoozed alerts is open again; None where none is snoozed until a time."""
        return min(
            (one.snoozed_until for one in self.alerts if one.status is AlertStatus.SNOOZED and one.snoozed_until),
            default=None,
        )

    @property
    def asks(self) -> bool:
        """Whether one of its alerts asks if a lasting change is the new normal."""
        return any(alert.asks for alert in self.alerts)

    @property
    def over(self) -> bool:
        """Whether all its alerts are; of those that are read."""
        return all(alert.over for alert in self.alerts)

    @property
    def loudest(self) -> Alert:
        """The alert with the highest severity and the strangest record."""
        return max(self.alerts, key=lambda alert: (LOUDNESS[alert.severity], alert.peak_surprise))

    @property
    def strangest(self) -> Alert:
        """The alert that says what it is like."""
        return max(self.alerts, key=lambda alert: alert.peak_surprise)

    @property
    def severity_in_words(self) -> str:
        """What its severity is made of: how far, how long, how wide."""
        peak = self.strangest
        limited = any(alert.crossed for alert in self.alerts)
        lasted = self.ended - self.started
        return in_words(
            self.severity, peak.peak_surprise, peak.threshold, lasted, self.records, self.entity_count, limited=limited,
            stakes=[(alert.at_stake, alert.stake_named) for alert in self.alerts],
        )  # fmt: skip

    @property
    def at_stake_in_words(self) -> str:
        """What its alerts put at stake together; empty where their monitors say nothing of it."""
        return stakes_in_words((alert.at_stake, alert.stake_named) for alert in self.alerts)

    @property
    def named(self) -> str:
        """Its entities in a few words: the first three by name, the others counted."""
        return self._names(_NAMED)

    @property
    def named_shortly(self) -> str:
        """As `named`, with the first alone."""
        return self._names(1)

    def _names(self, most: int) -> str:
        names = [entity or "whole stream" for entity in self.entities[:most]]
        more = self.entity_count - len(names)
        return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """Something that happened to alerts of an incident; the author is empty where no person did it."""

    kind: str
    author: str
    note: str
    created: datetime
    alerts: int
    """To how many of them."""


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """A page of incidents and how many match in all."""

    incidents: tuple[Incident, ...]
    total: int
    """Exact up to COUNT_LIMIT, else COUNT_LIMIT + 1."""
    offset: int


def incident_inbox(
    engine: Engine,
    wanted: AlertFilter,
    order: Order = "recent",
    offset: int = 0,
    limit: int = 50,
) -> IncidentPage:
    """Incidents with an alert that matches, in this order. `limit` and `offset` are clipped."""
    limit, offset = max(1, min(limit, MOST_ALERTS)), max(0, min(offset, MOST_OFFSET))
    member = IncidentMemberRow
    loudest = func.max(case(LOUDNESS, value=AlertRow.severity, else_=0))
    wide = and_(func.count(func.distinct(AlertRow.entity)) >= WIDE, loudest < len(LOUDNESS) - 1)
    loudness = case((wide, loudest + 1), else_=loudest)
    keys: list[ColumnElement[Any]] = [func.max(AlertRow.ended).desc(), member.incident.desc()]
    if order in ("severity", "stake"):
        keys = [func.sum(AlertRow.at_stake).desc(), *keys]
    if order == "severity":
        keys = [loudness.desc(), *keys]
    of_any = replace(wanted, at_least=None)
    found = matching(select(member.incident).join(AlertRow, AlertRow.id == member.alert_id), of_any).group_by(
        member.incident
    )
    if wanted.at_least is not None:
        found = found.having(loudness >= LOUDNESS[wanted.at_least])
    with reading(engine) as session:
        ahead = _AHEAD.get(order)
        first = ahead(session, matching(select(AlertRow.id), wanted)) if ahead else []
        numbers = page_of(session, first, found.order_by(*keys), member.incident, offset, limit)
        total = session.scalar(select(func.count()).select_from(found.limit(COUNT_LIMIT + 1).subquery())) or 0
        return IncidentPage(tuple(_incidents(session, numbers)), total, offset)


def open_incidents(engine: Engine) -> int:
    """How many incidents wait for somebody, over every monitor; stops counting at 1,000 alerts."""
    waiting = select(AlertRow.id).where(AlertRow.status == AlertStatus.OPEN).limit(1000)
    member = IncidentMemberRow
    with reading(engine) as session:
        return (
            session.scalar(select(func.count(func.distinct(member.incident))).where(member.alert_id.in_(waiting))) or 0
        )


def incident_of(engine: Engine, number: int) -> Incident | None:
    """One incident, or None when there is none of that number."""
    with reading(engine) as session:
        return next(iter(_incidents(session, [number])), None)


def incident_events(engine: Engine, number: int) -> list[IncidentEvent]:
    """What happened to an incident's alerts lately, oldest first, at most MOST_EVENTS; one action on many is one event."""
    member, event = IncidentMemberRow, AlertEventRow
    with reading(engine) as session:
        rows = session.execute(
            select(event.kind, event.author, event.note, event.created, func.count())
            .join(member, member.alert_id == event.alert_id)
            .where(member.incident == number)
            .group_by(event.kind, event.author, event.note, event.created)
            .order_by(event.created.desc(), func.max(event.id).desc())
            .limit(MOST_EVENTS)
        ).all()
        return [IncidentEvent(*row) for row in reversed(rows)]


def incident_of_alert(engine: Engine, alert: int) -> int | None:
    """The number of the incident that an alert is part of; None where there is no such alert."""
    with reading(engine) as session:
        return session.scalar(select(IncidentMemberRow.incident).where(IncidentMemberRow.alert_id == alert))


def _incidents(session: Session, numbers: Sequence[int]) -> list[Incident]:
    """Those of these numbers that there are, in their order."""
    member, alert = IncidentMemberRow, AlertRow
    if not numbers:
        return []
    place = func.row_number().over(partition_by=member.incident, order_by=(member.onset, member.alert_id))
    ranked = (
        select(member.alert_id, member.incident, place.label("place")).where(member.incident.in_(numbers)).subquery()
    )
    rows = session.execute(
        select(ranked.c.incident, alert)
        .join(alert, alert.id == ranked.c.alert_id)
        .where(ranked.c.place <= MOST_SHOWN)
        .order_by(ranked.c.incident, ranked.c.place)
        .limit(MOST_SHOWN * len(numbers))
    )
    alerts: dict[int, list[Alert]] = {}
    asked = steps_of(session, select(member.alert_id).where(member.incident.in_(numbers)))
    for incident, row in rows:
        alerts.setdefault(incident, []).append(alert_of(row, asked.get(row.id)))
    sums = session.execute(
        select(
            member.incident,
            func.count().label("alerts"),
            func.count(func.distinct(alert.entity)).label("entities"),
            func.max(case(LOUDNESS, value=alert.severity, else_=0)).label("loudness"),
            func.sum(case((alert.status == AlertStatus.OPEN, 1), else_=0)).label("open"),
            func.sum(case((alert.status == AlertStatus.ACKNOWLEDGED, 1), else_=0)).label("acknowledged"),
            func.sum(case((alert.status == AlertStatus.SNOOZED, 1), else_=0)).label("snoozed"),
            func.sum(case((alert.status == AlertStatus.SILENCED, 1), else_=0)).label("silenced"),
            func.min(alert.started).label("started"),
            func.max(alert.ended).label("ended"),
            func.sum(alert.records).label("records"),
            func.sum(alert.at_stake).label("at_stake"),
            func.sum(case((alert.id.in_(disputed_alerts()), 1), else_=0)).label("disputed"),
        )
        .join(alert, alert.id == member.alert_id)
        .where(member.incident.in_(numbers))
        .group_by(member.incident)
    )
    loudest = list(LOUDNESS)
    found = {
        each.incident: Incident(
            id=each.incident,
            alerts=tuple(alerts[each.incident]),
            count=each.alerts,
            entity_count=each.entities,
            severity=widened(loudest[each.loudness], each.entities),
            status=_standing(each),
            started=each.started,
            ended=each.ended,
            records=int(each.records),
            at_stake=float(each.at_stake),
            disputed=bool(each.disputed),
        )
        for each in sums
    }
    return [found[number] for number in numbers if number in found]


def _standing(counted: Any) -> AlertStatus:
    if counted.open:
        return AlertStatus.OPEN
    if counted.acknowledged:
        return AlertStatus.ACKNOWLEDGED
    if counted.snoozed:
        return AlertStatus.SNOOZED
    return AlertStatus.SILENCED if counted.silenced else AlertStatus.CLOSED
