"""Everything about one alert."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.flagged_rows import flagged_of
from latentwatch.alerts.former_decisions import FormerDecisionRow
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.kept_trace import MOST_PIECES, TRACE_BEFORE, live_point_of
from latentwatch.alerts.reading.rows import alert_of, former_of, label_of
from latentwatch.alerts.session import reading
from latentwatch.alerts.steps import steps_of
from latentwatch.alerts.tables import AlertEventRow, AlertRow, FlaggedRecordRow, KeptTraceRow, LabelRow, TraceRow
from latentwatch.alerts.trace_thinning import merged
from latentwatch.domain.alert import Alert, FlaggedRecord, FormerDecision, Label
from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.course import Course
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.trace_block import TraceBlock, blocks_together

MOST_FLAGGED = 200
MOST_TRACE = 1000
MOST_EVENTS = 100
MOST_PREVIOUS = 8
MOST_FORMER = 50
AFTERWARDS = timedelta(minutes=15)
"""How much of the live trace after an alert belongs to its picture, as long as the live trace still has it."""


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
    """Its strangest record; None for an alert without records, such as of an entity that stopped sending."""
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
    former: tuple[FormerDecision, ...] = ()
    """The latest decisions that late records amended, as they were, oldest first."""
    incident: int | None = None
    """The incident that it is part of."""
    others: int = 0
    """How many other alerts are part of that."""
    course: Course | None = None
    """What its features did; None of alerts of releases that did not tell it, and of an entity that stopped sending."""


def alert_detail(engine: Engine, alert_id: int) -> AlertDetail | None:
    """One alert, or None when there is none of that id."""
    with reading(engine) as session:
        row = session.get(AlertRow, alert_id)
        if row is None:
            return None
        strangest = _strangest(session, row)
        incident, others = _incident(session, row.id)
        told = session.scalar(select(CourseRow).where(CourseRow.alert_id == row.id).limit(1))
        return AlertDetail(
            alert=alert_of(row, steps_of(session, [row.id]).get(row.id)),
            opened=row.created,
            peak=strangest[0] if strangest else None,
            flagged=tuple(sorted(strangest, key=lambda one: one.time)),
            trace=tuple(_around(session, row, strangest, told)),
            course=None if told is None else Course.from_json(told.course),
            labels=_labels(session, row),
            events=_events(session, row),
            previous=_previous(session, row),
            former=_former(session, row),
            incident=incident,
            others=others,
        )


def _strangest(session: Session, alert: AlertRow) -> list[FlaggedRecord]:
    """Its flagged records, strangest first."""
    rows = session.scalars(
        select(FlaggedRecordRow)
        .where(FlaggedRecordRow.alert_id == alert.id)
        .order_by(FlaggedRecordRow.surprise.desc(), FlaggedRecordRow.time)
        .limit(MOST_FLAGGED)
    )
    return [flagged_of(row) for row in rows]


def _incident(session: Session, alert: int) -> tuple[int | None, int]:
    member = IncidentMemberRow
    number = session.scalar(select(member.incident).where(member.alert_id == alert).limit(1))
    if number is None:
        return None, 0
    together = session.scalar(select(func.count()).where(member.incident == number)) or 1
    return number, together - 1


def _labels(session: Session, alert: AlertRow) -> tuple[Label, ...]:
    """The latest labels, oldest first."""
    rows = session.scalars(
        select(LabelRow).where(LabelRow.alert_id == alert.id).order_by(LabelRow.id.desc()).limit(MOST_EVENTS)
    ).all()
    return tuple(label_of(row) for row in reversed(rows))


def _events(session: Session, alert: AlertRow) -> tuple[AlertEvent, ...]:
    """What happened to it lately, oldest first."""
    rows = session.scalars(
        select(AlertEventRow)
        .where(AlertEventRow.alert_id == alert.id)
        .order_by(AlertEventRow.id.desc())
        .limit(MOST_EVENTS)
    ).all()
    return tuple(AlertEvent(row.kind, row.author, row.note, row.created) for row in reversed(rows))


def _former(session: Session, alert: AlertRow) -> tuple[FormerDecision, ...]:
    """The latest decisions that late records amended, oldest first."""
    rows = session.scalars(
        select(FormerDecisionRow)
        .where(FormerDecisionRow.alert_id == alert.id)
        .order_by(FormerDecisionRow.id.desc())
        .limit(MOST_FORMER)
    ).all()
    return tuple(former_of(row) for row in reversed(rows))


def _previous(session: Session, alert: AlertRow) -> tuple[tuple[Alert, Label | None], ...]:
    """Alerts of its entity that ended before it, latest first, with their latest label."""
    earlier = session.scalars(
        select(AlertRow)
        .where(
            AlertRow.monitor == alert.monitor,
            AlertRow.entity == alert.entity,
            AlertRow.ended <= alert.ended,
            AlertRow.id != alert.id,
        )
        .order_by(AlertRow.ended.desc())
        .limit(MOST_PREVIOUS)
    ).all()
    newest = (
        select(func.max(LabelRow.id))
        .where(LabelRow.alert_id.in_([row.id for row in earlier]))
        .group_by(LabelRow.alert_id)
    )
    latest = {
        label.alert_id: label_of(label) for label in session.scalars(select(LabelRow).where(LabelRow.id.in_(newest)))
    }
    return tuple((alert_of(row), latest.get(row.id)) for row in earlier)


def _around(
    session: Session, alert: AlertRow, flagged: list[FlaggedRecord], course: CourseRow | None
) -> list[TracePoint]:
    """The entity's stream around an alert, in time order.

    What led up to it, its course and its recovery were kept. Where records came without their surroundings, as alerts of
    earlier releases did, what came during and after is in the live trace for a while, and flagged records stay for ever.
    """
    until = alert.ended + AFTERWARDS
    if course is not None and course.trace_points:
        until = max(until, from_microseconds(course.trace_until))
    points = {point.time: point for point in _kept(session, alert, until, 1 if course is None else course.trace_width)}
    if course is None or not course.trace_points:
        live = session.scalars(
            select(TraceRow)
            .where(
                TraceRow.monitor == alert.monitor,
                TraceRow.entity == alert.entity,
                TraceRow.time >= alert.started,
                TraceRow.time <= until,
            )
            .order_by(TraceRow.time)
            .limit(MOST_TRACE)
        )
        points |= {each.time: live_point_of(each, alert.entity) for each in live}
        points |= {one.time: _as_trace(one) for one in flagged}
    return [points[time] for time in sorted(points)]


def _kept(session: Session, alert: AlertRow, until: datetime, width: int) -> list[TracePoint]:
    """What is kept of the trace around an alert: at most 240 points before it, then its course, in points of that width."""
    row, mine = KeptTraceRow, (KeptTraceRow.monitor == alert.monitor, KeptTraceRow.entity == alert.entity)
    columns = (row.alert_id, row.leads_up, row.points)
    before: list[TraceBlock] = []
    pieces = session.execute(select(*columns).where(*mine, row.since < alert.started)
                             .order_by(row.until.desc()).limit(2 * MOST_PIECES))  # fmt: skip
    for _, _, points in pieces:
        before.append(points.take(points.times < to_microseconds(alert.started)))
        if sum(map(len, before)) >= TRACE_BEFORE:
            break
    around = session.execute(select(*columns).where(*mine, row.until >= alert.started, row.since <= until)
                             .order_by(row.until, row.id).limit(2 * MOST_PIECES)).all()  # fmt: skip
    own = merged([points for of, leads_up, points in around if of == alert.id and not leads_up], width)
    others = [points for of, leads_up, points in around if of != alert.id or leads_up]
    after = blocks_together([*others, own])
    within = (after.times >= to_microseconds(alert.started)) & (after.times <= to_microseconds(until))
    led_up = blocks_together(before[::-1]).points(alert.entity)[-TRACE_BEFORE:]
    return [*led_up, *after.take(within).points(alert.entity)[:MOST_TRACE]]


def _as_trace(flagged: FlaggedRecord) -> TracePoint:
    return TracePoint(
        entity=flagged.entity,
        time=flagged.time,
        offset=flagged.position.offset,
        partition=flagged.position.partition,
        surprise=flagged.surprise,
        reconstruction=flagged.reconstruction,
        density=flagged.density,
        flagged=True,
        values=flagged.values,
    )
