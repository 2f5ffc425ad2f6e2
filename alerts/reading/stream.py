"""Bounded samples of the stream: traces, counts, entities, dead letters, places on the map."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Subquery, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.kept_trace import live_point_of
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import (
    AlertRow,
    AuditRow,
    DeadLetterRow,
    EntityRow,
    FlaggedRecordRow,
    MinuteCountRow,
    OffsetRow,
    TraceRow,
)
from latentwatch.domain.alert import Severity, Verdict
from latentwatch.domain.outcome import FIELD_MOVED, FIELD_NEW, FIELD_VANISHED, STREAM_REFUSED, TracePoint
from latentwatch.domain.record import DeadLetter, Position

MOST_TRACE = 2000
MOST_ENTITIES = 500
MOST_MINUTES = 3000
MOST_DEAD_LETTERS = 200
MOST_PLACES = 3000
_CHANGES = (FIELD_NEW, FIELD_VANISHED, FIELD_MOVED, STREAM_REFUSED)
PAYLOAD_BYTES = 2000
"""How much of a dead letter's payload is read; the whole stays in the database."""


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """What is known of one entity."""

    entity: str
    partition: int
    last_time: datetime
    records: int
    warming: bool


@dataclass(frozen=True, slots=True)
class MinuteTotal:
    """Counts of one event-time minute over every model version."""

    minute: datetime
    scored: int
    flagged: int


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """What became of the messages of a monitor's streams, each counted once, since this has been counted."""

    scored: int
    aligned: int
    """In long form: filled a row that another message made, or none."""
    passed: int
    """Not what the monitor's `where` asks."""
    dead: int

    @property
    def read(self) -> int:
        """All of them."""
        return self.scored + self.aligned + self.passed + self.dead


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Dead letters, latest first, with payloads cut to PAYLOAD_BYTES."""

    letters: tuple[tuple[DeadLetter, datetime], ...]
    """With the wall time at which each was written."""
    offset: int
    more: bool


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A flagged record's place on the latent map."""

    alert: int
    entity: str
    time: datetime
    surprise: float
    severity: Severity
    verdict: Verdict | None
    place: tuple[float, float]
    reconstruction: float
    """The reconstruction half of its surprise: how far off the surface of normal records it lies."""
    threshold: float


def trace(
    engine: Engine, monitor: str, entity: str, limit: int = 300, after: datetime | None = None
) -> tuple[TracePoint, ...]:
    """The entity's latest sampled records in time order, at most `limit`; only later ones than `after` when given."""
    query = (
        select(TraceRow)
        .where(TraceRow.monitor == monitor, TraceRow.entity == entity)
        .order_by(TraceRow.time.desc())
        .limit(max(1, min(limit, MOST_TRACE)))
    )
    if after is not None:
        query = query.where(TraceRow.time > after)
    with reading(engine) as session:
        return tuple(live_point_of(row, entity) for row in reversed(session.scalars(query).all()))


def entities(engine: Engine, monitor: str, limit: int = MOST_ENTITIES) -> tuple[EntityFacts, ...]:
    """Entities by name; where there are more than `limit`, those heard of last."""
    latest = (
        select(EntityRow)
        .where(EntityRow.monitor == monitor)
        .order_by(EntityRow.last_time.desc())
        .limit(max(1, min(limit, MOST_ENTITIES)))
    )
    with reading(engine) as session:
        rows = session.scalars(latest).all()
        found = (EntityFacts(row.entity, row.partition, row.last_time, row.records, row.warming) for row in rows)
        return tuple(sorted(found, key=lambda one: one.entity))


def minute_totals(engine: Engine, monitor: str, since: datetime, limit: int = MOST_MINUTES) -> tuple[MinuteTotal, ...]:
    """Counts per minute from `since` on, in time order; the latest `limit` minutes."""
    query = (
        select(MinuteCountRow.minute, func.sum(MinuteCountRow.scored), func.sum(MinuteCountRow.flagged))
        .where(MinuteCountRow.monitor == monitor, MinuteCountRow.minute >= since)
        .group_by(MinuteCountRow.minute)
        .order_by(MinuteCountRow.minute.desc())
        .limit(max(1, min(limit, MOST_MINUTES)))
    )
    with reading(engine) as session:
        rows = session.execute(query).all()
        return tuple(MinuteTotal(minute, int(scored), int(flagged)) for minute, scored, flagged in reversed(rows))


def message_counts(engine: Engine, monitor: str) -> MessageCounts:
    """What became of the messages of all of a monitor's streams."""
    with reading(engine) as session:
        return messages_of(session, monitor)


def messages_of(session: Session, monitor: str) -> MessageCounts:
    """The same, beside what else is read of a monitor."""
    row = OffsetRow
    sums = [func.sum(each) for each in (row.scored, row.aligned, row.passed, row.dead)]
    return MessageCounts(
        *(int(each or 0) for each in session.execute(select(*sums).where(row.monitor == monitor)).one())
    )


def stream_changes(engine: Engine, monitor: str, since: datetime, limit: int = 20) -> tuple[tuple[datetime, str], ...]:
    """When the stream was found to look other than it did, and how, latest first."""
    query = (
        select(AuditRow.created, AuditRow.message)
        .where(AuditRow.monitor == monitor, AuditRow.kind.in_(_CHANGES), AuditRow.created >= since)
        .order_by(AuditRow.created.desc())
        .limit(max(1, min(limit, MOST_DEAD_LETTERS)))
    )
    with reading(engine) as session:
        return tuple((row.created, row.message) for row in session.execute(query))


def dead_letters(engine: Engine, monitor: str, offset: int = 0, limit: int = 50) -> DeadLetterPage:
    """Messages that could not become records, latest first."""
    limit, offset = max(1, min(limit, MOST_DEAD_LETTERS)), max(0, min(offset, 10_000))
    query = (
        select(
            DeadLetterRow.source,
            DeadLetterRow.partition,
            DeadLetterRow.offset,
            DeadLetterRow.reason,
            func.substr(DeadLetterRow.payload, 1, PAYLOAD_BYTES).label("payload"),
            DeadLetterRow.created,
        )
        .where(DeadLetterRow.monitor == monitor)
        .order_by(DeadLetterRow.created.desc(), DeadLetterRow.partition, DeadLetterRow.offset.desc())
        .offset(offset)
        .limit(limit + 1)
    )
    with reading(engine) as session:
        rows = session.execute(query).all()
    letters = tuple(
        (DeadLetter(Position(row.source, row.partition, row.offset), row.reason, bytes(row.payload)), row.created)
        for row in rows[:limit]
    )
    return DeadLetterPage(letters, offset, len(rows) > limit)


def flagged_places(engine: Engine, monitor: str, versions: Collection[int], limit: int = 1500) -> tuple[MapPoint, ...]:
    """Where the latest flagged records of some model versions lie on their map."""
    latest = _latest_flagged(monitor, limit)
    query = (
        select(latest, AlertRow.severity, AlertRow.verdict)
        .join(AlertRow, AlertRow.id == latest.c.alert_id)
        .where(latest.c.model_version.in_(versions))
        .order_by(latest.c.time)
    )
    with reading(engine) as session:
        return tuple(
            MapPoint(
                row.alert_id,
                row.entity,
                row.time,
                row.surprise,
                row.severity,
                row.verdict,
                (row.place_x, row.place_y),
                row.reconstruction,
                row.threshold,
            )
            for row in session.execute(query)
        )


def flagged_versions(engine: Engine, monitor: str, limit: int = 1500) -> dict[int, int]:
    """Which model versions flagged the latest records that `flagged_places` looks at, newest first, and how many each."""
    latest = _latest_flagged(monitor, limit)
    version = latest.c.model_version
    query = select(version, func.count().label("flagged")).group_by(version).order_by(version.desc())
    with reading(engine) as session:
        return {row.model_version: row.flagged for row in session.execute(query)}


def _latest_flagged(monitor: str, limit: int) -> Subquery:
    return (
        select(
            FlaggedRecordRow.alert_id,
            FlaggedRecordRow.entity,
            FlaggedRecordRow.time,
            FlaggedRecordRow.surprise,
            FlaggedRecordRow.reconstruction,
            FlaggedRecordRow.threshold,
            FlaggedRecordRow.model_version,
            FlaggedRecordRow.place_x,
            FlaggedRecordRow.place_y,
        )
        .where(FlaggedRecordRow.monitor == monitor)
        .order_by(FlaggedRecordRow.time.desc())
        .limit(max(1, min(limit, MOST_PLACES)))
        .subquery()
    )
