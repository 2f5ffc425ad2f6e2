"""A monitor's incidents as dots of a map: where each lies, what it was like, and what people said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, func, insert, select

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.incident_place_table import IncidentPlaceRow
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Severity, Verdict
from latentwatch.domain.loudness import LOUDNESS

MOST_PLACED = 3_000
"""Incidents of a monitor that are on its map: the latest."""
_MOST_READ = 20_000
"""Alerts that are read for them."""


@dataclass(frozen=True, slots=True)
class IncidentDot:
    """One incident. What it was like is that of its strangest alert."""

    incident: int
    entity: str
    """Of its strangest alert."""
    alerts: int
    started: datetime
    ended: datetime
    severity: Severity
    verdict: Verdict | None
    """The one that all its alerts have."""
    cause: str
    """What people said last of its strangest alert."""
    features: tuple[str, ...]
    fingerprint: bytes
    place: tuple[float, float] | None
    """In parts of the map's width; None where it began after incidents were placed last."""


def incident_dots(engine: Engine, monitor: str, most: int = MOST_PLACED) -> tuple[IncidentDot, ...]:
    """The latest incidents that have a fingerprint, oldest first. Raises Unavailable."""
    member = IncidentMemberRow
    wanted = (
        select(member.incident, AlertRow, CourseRow.fingerprint)
        .join(AlertRow, AlertRow.id == member.alert_id)
        .join(CourseRow, CourseRow.alert_id == AlertRow.id)
        .where(member.monitor == monitor, func.length(CourseRow.fingerprint) > 0)
        .order_by(AlertRow.id.desc())
        .limit(_MOST_READ)
    )
    with reading(engine) as session:
        together: dict[int, list[tuple[AlertRow, bytes]]] = {}
        for incident, alert, fingerprint in session.execute(wanted):
            together.setdefault(incident, []).append((alert, fingerprint))
        chosen = dict(list(together.items())[:most])
        strangest = {number: max(found, key=lambda one: one[0].peak_surprise) for number, found in chosen.items()}
        newest = (
            select(func.max(LabelRow.id))
            .join(AlertRow, AlertRow.id == LabelRow.alert_id)
            .where(AlertRow.monitor == monitor)
            .group_by(LabelRow.alert_id)
            .limit(_MOST_READ)
        )
        said = select(LabelRow.alert_id, LabelRow.cause).where(LabelRow.id.in_(newest)).limit(_MOST_READ)
        causes = {row.alert_id: row.cause for row in session.execute(said)}
        places = {
            row.incident: (row.x, row.y)
            for row in session.scalars(
                select(IncidentPlaceRow).where(IncidentPlaceRow.monitor == monitor).limit(MOST_PLACED)
            )
        }
        dots = []
        for number, found in chosen.items():
            alert, fingerprint = strangest[number]
            verdicts = {one.verdict for one, _ in found}
            dots.append(
                IncidentDot(
                    incident=number,
                    entity=alert.entity,
                    alerts=len(found),
                    started=min(one.started for one, _ in found),
                    ended=max(one.ended for one, _ in found),
                    severity=max((one.severity for one, _ in found), key=LOUDNESS.__getitem__),
                    verdict=verdicts.pop() if len(verdicts) == 1 else None,
                    cause=causes.get(alert.id, ""),
                    features=tuple(alert.features),
                    fingerprint=fingerprint,
                    place=places.get(number),
                )
            )
        return tuple(sorted(dots, key=lambda dot: (dot.started, dot.incident)))


def keep_places(engine: Engine, monitor: str, places: Mapping[int, tuple[float, float]]) -> None:
    """Replace all places of a monitor's incidents, in one transaction."""
    rows = [{"monitor": monitor, "incident": number, "x": x, "y": y} for number, (x, y) in places.items()]
    with transaction(engine) as session:
        session.execute(delete(IncidentPlaceRow).where(IncidentPlaceRow.monitor == monitor))
        if rows:
            session.execute(insert(IncidentPlaceRow), rows)
