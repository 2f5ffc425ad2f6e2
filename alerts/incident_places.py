"""A monitor's incidents as dots of a map: where each lies, what it was like, and what people said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.incident_place_table import IncidentPlaceRow
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Severity, Verdict
from latentwatch.domain.loudness import LOUDNESS

MOST_PLACED = 3_000
"""Incidents of a monitor that are placed by each other: the latest. Others keep their place, or lie between their like."""
MOST_MAPPED = 100_000
"""Incidents of a monitor that are on its map: the latest."""
_ALERTS_AN_INCIDENT = 6
"""Alerts that are read for each incident that is wanted, on average."""


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


def incident_dots(engine: Engine, monitor: str, most: int = MOST_MAPPED) -> tuple[IncidentDot, ...]:
    """The latest incidents that have a fingerprint, oldest first. Raises Unavailable."""
    member, alert, most_read = IncidentMemberRow, AlertRow, min(most * _ALERTS_AN_INCIDENT, 2 * MOST_MAPPED)
    wanted = (
        select(
            member.incident,
            alert.id,
            alert.entity,
            alert.started,
            alert.ended,
            alert.severity,
            alert.verdict,
            alert.peak_surprise,
            alert.features,
            CourseRow.fingerprint,
        )
        .join(alert, alert.id == member.alert_id)
        .join(CourseRow, CourseRow.alert_id == alert.id)
        .where(member.monitor == monitor, func.length(CourseRow.fingerprint) > 0)
        .order_by(alert.id.desc())
        .limit(most_read)
    )
    with reading(engine) as session:
        together: dict[int, list[Any]] = {}
        for row in session.execute(wanted):
            together.setdefault(row.incident, []).append(row)
        chosen = dict(list(together.items())[:most])
        strangest = {number: max(found, key=lambda one: one.peak_surprise) for number, found in chosen.items()}
        newest = (
            select(func.max(LabelRow.id))
            .join(AlertRow, AlertRow.id == LabelRow.alert_id)
            .where(AlertRow.monitor == monitor)
            .group_by(LabelRow.alert_id)
            .limit(most_read)
        )
        said = select(LabelRow.alert_id, LabelRow.cause).where(LabelRow.id.in_(newest)).limit(most_read)
        causes = {row.alert_id: row.cause for row in session.execute(said)}
        places = {
            row.incident: (row.x, row.y)
            for row in session.scalars(
                select(IncidentPlaceRow).where(IncidentPlaceRow.monitor == monitor).limit(MOST_MAPPED)
            )
        }
        dots = []
        for number, found in chosen.items():
            loudest = strangest[number]
            verdicts = {one.verdict for one in found}
            dots.append(
                IncidentDot(
                    incident=number,
                    entity=loudest.entity,
                    alerts=len(found),
                    started=min(one.started for one in found),
                    ended=max(one.ended for one in found),
                    severity=max((one.severity for one in found), key=LOUDNESS.__getitem__),
                    verdict=verdicts.pop() if len(verdicts) == 1 else None,
                    cause=causes.get(loudest.id, ""),
                    features=tuple(loudest.features),
                    fingerprint=loudest.fingerprint,
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
