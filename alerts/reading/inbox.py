"""Alerts by filter, page by page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Engine, Select, case, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.reading.disputes import disputed_alerts
from latentwatch.alerts.reading.kinds import alerts_by_kind
from latentwatch.alerts.reading.rows import alert_of
from latentwatch.alerts.reading.teaching import teaching_alerts
from latentwatch.alerts.session import reading
from latentwatch.alerts.steps import steps_of
from latentwatch.alerts.tables import AlertRow
from latentwatch.domain.alert import Alert, AlertStatus, Severity, Verdict
from latentwatch.domain.loudness import LOUDNESS

MOST_ALERTS = 200
MOST_OFFSET = 10_000
COUNT_LIMIT = 10_000
"""Beyond this many matches a page says 'more than' instead of counting on."""

Order = Literal["severity", "recent", "stake", "teaching", "likeness"]
"""Loudest first (of equally loud ones that with most at stake), latest first, most at stake first, what would teach most first, or
those of one kind together."""
_AHEAD: Mapping[str, Callable[[Session, Select[Any]], list[int]]] = {
    "teaching": teaching_alerts,
    "likeness": alerts_by_kind,
}
"""Orders that no column says: the numbers that stand before all others."""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts; None means any."""

    monitor: str | None = None
    entity: str | None = None
    statuses: tuple[AlertStatus, ...] = ()
    """Any of them; empty means every status."""
    at_least: Severity | None = None
    verdict: Verdict | Literal["none", "disputed"] | None = None
    """`none` finds alerts that nobody labelled, `disputed` those on which the last words of two reviewers differ."""
    since: datetime | None = None
    """Still going on at or after this time."""
    until: datetime | None = None
    """Started before this time."""
    silence: int | None = None
    """Hidden by the silence of this number."""
    assignee: str | None = None
    """Taken care of by somebody of this name; empty for nobody."""


@dataclass(frozen=True, slots=True)
class AlertPage:
    """A page of alerts and how many match in all."""

    alerts: tuple[Alert, ...]
    total: int
    """Exact up to COUNT_LIMIT, else COUNT_LIMIT + 1."""
    offset: int


def inbox(
    engine: Engine,
    wanted: AlertFilter,
    order: Order = "recent",
    offset: int = 0,
    limit: int = 50,
) -> AlertPage:
    """Alerts that match, in this order. `limit` and `offset` are clipped to what a page may ask."""
    limit, offset = max(1, min(limit, MOST_ALERTS)), max(0, min(offset, MOST_OFFSET))
    loudness = case(LOUDNESS, value=AlertRow.severity, else_=0)
    keys: list[ColumnElement[Any]] = [AlertRow.ended.desc(), AlertRow.id.desc()]
    if order in ("severity", "stake"):
        keys = [AlertRow.at_stake.desc(), *keys]
    if order == "severity":
        keys = [loudness.desc(), *keys]
    found = matching(select(AlertRow.id), wanted)
    counted = found.limit(COUNT_LIMIT + 1).subquery()
    with reading(engine) as session:
        ahead = _AHEAD.get(order)
        first = ahead(session, found) if ahead else []
        numbers = page_of(session, first, found.order_by(*keys), AlertRow.id, offset, limit)
        by_number = {row.id: row for row in session.scalars(select(AlertRow).where(AlertRow.id.in_(numbers)))}
        rows = [by_number[number] for number in numbers]
        total = session.scalar(select(func.count()).select_from(counted)) or 0
        asked = steps_of(session, [row.id for row in rows])
        return AlertPage(tuple(alert_of(row, asked.get(row.id)) for row in rows), total, offset)


def page_of(
    session: Session, first: Sequence[int], rest: Select[Any], number: Any, offset: int, limit: int
) -> list[int]:
    """Numbers of a page: `first` in its order, then what `rest` selects beside those."""
    chosen = list(first[offset : offset + limit])
    if len(chosen) < limit:
        others = rest.where(number.not_in(first)) if first else rest
        chosen += session.scalars(others.offset(max(0, offset - len(first))).limit(limit - len(chosen)))
    return chosen


def numbers_of(engine: Engine, wanted: AlertFilter, limit: int) -> list[int]:
    """The numbers of alerts that match, lowest first, at most `limit`."""
    with reading(engine) as session:
        query = matching(select(AlertRow.id), wanted).order_by(AlertRow.id).limit(limit)
        return list(session.scalars(query))


def matching(query: Select[Any], wanted: AlertFilter) -> Select[Any]:
    """The query, of alerts, narrowed to those that are wanted."""
    if wanted.monitor is not None:
        query = query.where(AlertRow.monitor == wanted.monitor)
    if wanted.entity is not None:
        query = query.where(AlertRow.entity == wanted.entity)
    if wanted.statuses:
        query = query.where(AlertRow.status.in_(wanted.statuses))
    if wanted.at_least is not None:
        loud = [severity for severity, rank in LOUDNESS.items() if rank >= LOUDNESS[wanted.at_least]]
        query = query.where(AlertRow.severity.in_(loud))
    if wanted.verdict == "none":
        query = query.where(AlertRow.verdict.is_(None))
    elif wanted.verdict == "disputed":
        query = query.where(AlertRow.id.in_(disputed_alerts()))
    elif wanted.verdict is not None:
        query = query.where(AlertRow.verdict == wanted.verdict)
    if wanted.since is not None:
        query = query.where(AlertRow.ended >= wanted.since)
    if wanted.until is not None:
        query = query.where(AlertRow.started < wanted.until)
    if wanted.silence is not None:
        query = query.where(AlertRow.silence_id == wanted.silence)
    if wanted.assignee is not None:
        query = query.where(AlertRow.assignee == wanted.assignee)
    return query
