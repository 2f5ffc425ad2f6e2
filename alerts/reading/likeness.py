"""Fingerprints of a monitor's alerts, and what is told of those that are found alike."""

from collections.abc import Sequence

from sqlalchemy import Engine, func, select

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.reading.rows import alert_of, label_of
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Alert, Label

MOST_KEPT = 100_000
"""Fingerprints of a monitor that are compared, of the latest alerts."""


def fingerprints_after(engine: Engine, monitor: str, alert: int) -> dict[int, bytes]:
    """By alert, of those numbered above `alert` and of those that are going on, whose fingerprints may have changed."""
    wanted = (
        select(AlertRow.id, CourseRow.fingerprint)
        .join(CourseRow, CourseRow.alert_id == AlertRow.id)
        .where(AlertRow.monitor == monitor)
        .order_by(AlertRow.id.desc())
        .limit(MOST_KEPT)
    )
    with reading(engine) as session:
        later = session.execute(wanted.where(AlertRow.id > alert)).all()
        growing = session.execute(wanted.where(AlertRow.over.is_(False))).all()
    return {row.id: row.fingerprint for row in (*later, *growing)}


def of_the_same_incident(engine: Engine, alert: int) -> set[int]:
    """The alerts of its incident, itself among them."""
    member = IncidentMemberRow
    incident = select(member.incident).where(member.alert_id == alert).scalar_subquery()
    with reading(engine) as session:
        return {alert, *session.scalars(select(member.alert_id).where(member.incident == incident).limit(MOST_KEPT))}


def alerts_with_labels(engine: Engine, alerts: Sequence[int]) -> dict[int, tuple[Alert, Label | None]]:
    """Some alerts by number, each with its latest label; those that are gone are left out."""
    with reading(engine) as session:
        rows = session.scalars(select(AlertRow).where(AlertRow.id.in_(alerts)).limit(len(alerts))).all()
        newest = select(func.max(LabelRow.id)).where(LabelRow.alert_id.in_(alerts)).group_by(LabelRow.alert_id)
        said = session.scalars(select(LabelRow).where(LabelRow.id.in_(newest)).limit(len(alerts)))
        labels = {row.alert_id: label_of(row) for row in said}
        return {row.id: (alert_of(row), labels.get(row.id)) for row in rows}
