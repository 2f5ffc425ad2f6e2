"""Alerts, or incidents, of one kind after one another, and what is known of each one's kind."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow, MonitorRow
from latentwatch.domain.alert import AlertStatus
from latentwatch.domain.recurrence import FingerprintedAlert, Recurrence, kinds_together, recurrences

_MOST_ORDERED = 600
"""Alerts that are ordered by likeness, the latest; of more, the others come after them."""
_MOST_KNOWN = 3_000
"""Alerts that others are compared with, the latest of their monitors."""


def alerts_by_kind(session: Session, listed: Select[Any]) -> list[int]:
    """Numbers of the alerts with a fingerprint whose numbers `listed` selects, those of one kind together."""
    asked = _fingerprinted(session, AlertRow.id.in_(listed), _MOST_ORDERED)
    return [each.alert for each in _by_kind(session, asked)]


def incidents_by_kind(session: Session, listed: Select[Any]) -> list[int]:
    """Numbers of the incidents that hold one of these alerts; each is like its strangest alert among them."""
    asked = _fingerprinted(session, AlertRow.id.in_(listed), _MOST_ORDERED)
    strangest: dict[int, FingerprintedAlert] = {}
    for each in asked:
        kept = strangest.get(each.incident)
        if kept is None or each.peak_surprise > kept.peak_surprise:
            strangest[each.incident] = each
    return [each.incident for each in _by_kind(session, list(strangest.values()))]


def recurrences_of(engine: Engine, alerts: Collection[int], now: datetime) -> dict[int, Recurrence]:
    """By alert, what is known of its kind; alerts without a fingerprint are left out. Raises Unavailable."""
    with reading(engine) as session:
        asked = _fingerprinted(session, AlertRow.id.in_(alerts), len(alerts))
        return _recurrences(session, asked, now)


def _by_kind(session: Session, asked: Sequence[FingerprintedAlert]) -> list[FingerprintedAlert]:
    """Kinds that were never there before first."""
    if not asked:
        return []
    known = _recurrences(session, asked, max(each.started for each in asked))
    return [asked[place] for place in kinds_together(asked, [not known[each.alert].earlier for each in asked])]


def _recurrences(session: Session, asked: Sequence[FingerprintedAlert], now: datetime) -> dict[int, Recurrence]:
    monitors = {each.monitor for each in asked}
    known = _fingerprinted(session, AlertRow.monitor.in_(monitors), _MOST_KNOWN)
    since: dict[str, datetime] = {}
    for each in known:
        since[each.monitor] = min(since.get(each.monitor, each.started), each.started)
    if len(known) < _MOST_KNOWN:  # then all there ever were are known, of a monitor that was calm too
        registered = (
            select(MonitorRow.name, MonitorRow.created).where(MonitorRow.name.in_(monitors)).limit(len(monitors))
        )
        for name, created in session.execute(registered):
            since[name] = min(since.get(name, created), created)
    return recurrences(asked, known, since, now)


def _fingerprinted(session: Session, wanted: ColumnElement[bool], most: int) -> list[FingerprintedAlert]:
    """The alerts that are wanted and have a fingerprint, latest first."""
    member, alert = IncidentMemberRow, AlertRow
    query = (
        select(
            alert.id,
            alert.monitor,
            member.incident,
            alert.started,
            alert.ended,
            alert.status,
            alert.verdict,
            alert.peak_surprise,
            CourseRow.fingerprint,
        )
        .join(CourseRow, CourseRow.alert_id == alert.id)
        .join(member, member.alert_id == alert.id)
        .where(func.length(CourseRow.fingerprint) > 0, wanted)
        .order_by(alert.ended.desc(), alert.id.desc())
        .limit(most)
    )
    return [
        FingerprintedAlert(
            alert=row.id,
            monitor=row.monitor,
            incident=row.incident,
            started=row.started,
            ended=row.ended,
            closed=row.status is AlertStatus.CLOSED,
            verdict=row.verdict,
            peak_surprise=row.peak_surprise,
            fingerprint=row.fingerprint,
        )
        for row in session.execute(query)
    ]
