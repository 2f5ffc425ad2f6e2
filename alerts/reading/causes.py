"""Causes that people named, and the alerts that had them."""

from typing import NamedTuple

from sqlalchemy import Engine, func, select

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Verdict

_MOST_CAUSES = 50
_MOST_ALERTS = 20
_MOST_NAMED = 300


class NamedCause(NamedTuple):
    """What people said that an alert was."""

    alert: int
    incident: int | None
    cause: str


def causes_named(engine: Engine, monitor: str) -> list[NamedCause]:
    """The latest alerts that are labelled true and whose latest label names a cause, at most 300. Raises Unavailable."""
    newest = select(func.max(LabelRow.id)).where(LabelRow.alert_id == AlertRow.id).correlate(AlertRow).scalar_subquery()
    wanted = (
        select(AlertRow.id, IncidentMemberRow.incident, LabelRow.cause)
        .join(LabelRow, LabelRow.id == newest)
        .outerjoin(IncidentMemberRow, IncidentMemberRow.alert_id == AlertRow.id)
        .where(
            AlertRow.monitor == monitor,
            AlertRow.verdict == Verdict.TRUE,
            LabelRow.cause != "",
        )
        .order_by(AlertRow.id.desc())
        .limit(_MOST_NAMED)
    )
    with reading(engine) as session:
        return [NamedCause(*row) for row in session.execute(wanted)]


def known_causes(engine: Engine, monitor: str) -> list[str]:
    """Causes of alerts labelled true, in the order of words, at most so many. Raises Unavailable."""
    named = (
        select(LabelRow.cause)
        .join(AlertRow, AlertRow.id == LabelRow.alert_id)
        .where(AlertRow.monitor == monitor, LabelRow.verdict == Verdict.TRUE, LabelRow.cause != "")
        .distinct()
        .order_by(LabelRow.cause)
        .limit(_MOST_CAUSES)
    )
    with reading(engine) as session:
        return list(session.scalars(named))


def alerts_of_cause(engine: Engine, monitor: str, cause: str) -> list[int]:
    """Alerts that are labelled true with a cause, the latest first, at most so many. Raises Unavailable."""
    wanted = (
        select(AlertRow.id)
        .join(LabelRow, AlertRow.id == LabelRow.alert_id)
        .where(
            AlertRow.monitor == monitor,
            AlertRow.verdict == Verdict.TRUE,
            LabelRow.verdict == Verdict.TRUE,
            LabelRow.cause == cause,
        )
        .distinct()
        .order_by(AlertRow.id.desc())
        .limit(_MOST_ALERTS)
    )
    with reading(engine) as session:
        return list(session.scalars(wanted))
