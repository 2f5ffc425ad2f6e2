"""Everything about one alert."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from alerts.reading.rows import alert_of, flagged_of, label_of, trace_of
from alerts.reading.sessions import reading
from alerts.tables import AlertEventRow, AlertRow, AlertTraceRow, FlaggedRecordRow, LabelRow
from domain.alert import Alert, FlaggedRecord, Label
from domain.outcome import TracePoint

MOST_FLAGGED = 200
MOST_TRACE = 1000
MOST_EVENTS = 100
MOST_PREVIOUS = 8


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """Something that happened to an alert; the author is empty where no person did it."""

    kind: str
    author: str
    note: str
    created: datetime


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """One alert with what is needed to understand it."""

    alert: Alert
    opened: datetime
    """Wall time."""
    peak: FlaggedRecord | None
    """Its strangest record; None for an alert without records, such as silence."""
    flagged: tuple[FlaggedRecord, ...]
    """Its strangest records, in time order, at most MOST_FLAGGED."""
    trace: tuple[TracePoint, ...]
    """What the entity's stream looked like around it, in time order."""
    labels: tuple[Label, ...]
    """Oldest first."""
    events: tuple[AlertEvent, ...]
    """Oldest first."""
    previous: tuple[tuple[Alert, Label | None], ...]
    """Earlier alerts of the same entity with their latest label, latest first."""


def alert_detail(engine: Engine, alert_id: int) -> AlertDetail | None:
    """One alert, or None when there is none of that id."""
    with reading(engine) as session:
        row = session.get(AlertRow, alert_id)
        if row is None:
            return None
        strangest = session.scalars(
            select(FlaggedRecordRow)
            .where(FlaggedRecordRow.alert_id == alert_id)
            .order_by(FlaggedRecordRow.surprise.desc(), FlaggedRecordRow.time)
            .limit(MOST_FLAGGED)
        ).all()
        kept = session.scalars(
            select(AlertTraceRow)
            .where(AlertTraceRow.alert_id == alert_id)
            .order_by(AlertTraceRow.time)
            .limit(MOST_TRACE)
        ).all()
        labels = session.scalars(
            select(LabelRow).where(LabelRow.alert_id == alert_id).order_by(LabelRow.id.desc()).limit(MOST_EVENTS)
        ).all()
        events = session.scalars(
            select(AlertEventRow)
            .where(AlertEventRow.alert_id == alert_id)
            .order_by(AlertEventRow.id.desc())
            .limit(MOST_EVENTS)
        ).all()
        earlier = session.scalars(
            select(AlertRow)
            .where(
                AlertRow.monitor == row.monitor,
                AlertRow.entity == row.entity,
                AlertRow.ended <= row.ended,
                AlertRow.id != row.id,
            )
            .order_by(AlertRow.ended.desc())
            .limit(MOST_PREVIOUS)
        ).all()
        said: dict[int, Label] = {}
        for label in session.scalars(
            select(LabelRow)
            .where(LabelRow.alert_id.in_([one.id for one in earlier]))
            .order_by(LabelRow.id)
            .limit(MOST_EVENTS * MOST_PREVIOUS)
        ):
            said[label.alert_id] = label_of(label)
        flagged = [flagged_of(one) for one in strangest]
        return AlertDetail(
            alert=alert_of(row),
            opened=row.created,
            peak=flagged[0] if flagged else None,
            flagged=tuple(sorted(flagged, key=lambda one: one.time)),
            trace=tuple(trace_of(one, row.entity) for one in kept),
            labels=tuple(label_of(one) for one in reversed(labels)),
            events=tuple(AlertEvent(one.kind, one.author, one.note, one.created) for one in reversed(events)),
            previous=tuple((alert_of(one), said.get(one.id)) for one in earlier),
        )
