"""What every monitor is doing, in a handful of bounded queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, and_, case, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.monitor_upkeep import last_sign_of_life
from latentwatch.alerts.reading.stream import MessageCounts, MinuteTotal, messages_of
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import (
    AlertRow,
    DeadLetterRow,
    EntityRow,
    MinuteCountRow,
    ModelVersionRow,
    MonitorRow,
    OffsetRow,
    ScorerRow,
)
from latentwatch.domain.alert import AlertKind, AlertStatus, Severity, Verdict
from latentwatch.domain.model import VersionStatus
from latentwatch.domain.monitor import Monitor, parse_monitor

MOST_MONITORS = 200
MOST_SCORERS = 50
SPARK_MINUTES = 120
_DAY = timedelta(days=1)
_OLD_SCORER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ScorerFacts:
    """One scorer process's latest heartbeat."""

    id: str
    host: str
    pid: int
    started: datetime
    seen: datetime
    last_commit: datetime | None
    partitions: tuple[int, ...]
    model_version: int | None
    lag: int | None
    records_per_second: float
    state: str
    stopped: bool


@dataclass(frozen=True, slots=True)
class PromiseFacts:
    """What is needed to hold realised false alarms against the promise, over one stretch of the stream."""

    start: datetime | None
    """First event-time minute with scored records; None where nothing was scored."""
    end: datetime | None
    """End of the last such minute."""
    scored: int
    flagged: int
    episodes: int
    """Anomaly alerts that began in the stretch."""
    confirmed: int
    """Of these, labelled true."""
    refuted: int
    """Of these, labelled false."""
    confirmed_records: int
    """Flagged records of the confirmed ones."""
    refuted_records: int


@dataclass(frozen=True, slots=True)
class MonitorFacts:
    """What the overview knows of one monitor."""

    monitor: Monitor
    champion: int | None
    champion_bundle: str | None
    promoted: datetime | None
    scorers: tuple[ScorerFacts, ...]
    """Those heard of within a day, latest first."""
    last_commit: datetime | None
    """Wall time of the last committed micro-batch."""
    last_sign: datetime
    """Wall time at which it was last defined, scored, or heard of through a scorer."""
    newest: datetime | None
    """Event time of the newest record."""
    records: int
    entities: int
    warming: int
    stopped: int
    """Entities that stopped sending, by their open alerts."""
    stopped_partitions: int
    """Partitions all of whose entities stopped sending together."""
    missing: int
    """Entities of which a run is overdue, by their open alerts."""
    open_by_severity: dict[Severity, int]
    """Alerts that nobody acknowledged."""
    day: PromiseFacts
    """The last 24 hours of the stream."""
    tenure: PromiseFacts
    """All that the champion scored."""
    dead_letters_day: int
    messages: MessageCounts
    """What became of all that its streams held."""
    spark: tuple[MinuteTotal, ...]
    """The last minutes of the stream."""
    budget: Mapping[str, Any] | None = None
    """What the policy came to when the champion was judged: alarms a day asked and promised, and entities."""


def overview(engine: Engine, now: datetime) -> list[MonitorFacts]:
    """Facts of every registered monitor, by name."""
    with reading(engine) as session:
        rows = session.scalars(select(MonitorRow).order_by(MonitorRow.name).limit(MOST_MONITORS)).all()
        return [_facts(session, row, now) for row in rows]


def monitor_facts(engine: Engine, monitor: str, now: datetime) -> MonitorFacts | None:
    """Facts of one monitor, or None when nobody registered it."""
    with reading(engine) as session:
        row = session.get(MonitorRow, monitor)
        return None if row is None else _facts(session, row, now)


def open_alerts(engine: Engine) -> int:
    """How many alerts wait for somebody, over every monitor; stops counting at 1000."""
    waiting = select(AlertRow.id).where(AlertRow.status == AlertStatus.OPEN).limit(1000).subquery()
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(waiting)) or 0


def _facts(session: Session, row: MonitorRow, now: datetime) -> MonitorFacts:
    name, monitor = row.name, parse_monitor(row.definition, row.name)
    champion = session.scalars(
        select(ModelVersionRow).where(ModelVersionRow.monitor == name, ModelVersionRow.status == VersionStatus.CHAMPION)
    ).first()
    count, records, newest, warming = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(EntityRow.records), 0),
            func.max(EntityRow.last_time),
            func.coalesce(func.sum(case((EntityRow.warming, 1), else_=0)), 0),
        ).where(EntityRow.monitor == name)
    ).one()
    loud: list[tuple[Severity, int]] = [
        (severity, number)
        for severity, number in session.execute(
            select(AlertRow.severity, func.count())
            .where(AlertRow.monitor == name, AlertRow.status == AlertStatus.OPEN)
            .group_by(AlertRow.severity)
        )
    ]
    # A stop that bears no entity's name is its partition's.
    of_entity = AlertRow.entity.in_(select(EntityRow.entity).where(EntityRow.monitor == name))
    missed = AlertRow.kind == AlertKind.MISSED_RUN
    stopped, stopped_partitions, missing = session.execute(
        select(
            func.count().filter(of_entity, ~missed),
            func.count().filter(~of_entity, ~missed),
            func.count().filter(missed),
        ).where(
            AlertRow.monitor == name,
            AlertRow.status.in_((AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED, AlertStatus.SNOOZED)),
            AlertRow.kind != AlertKind.ANOMALY,
            ~AlertRow.over,
        )
    ).one()
    last_minute = session.scalar(
        select(func.max(MinuteCountRow.minute)).where(MinuteCountRow.monitor == name, MinuteCountRow.minute <= now)
    )
    return MonitorFacts(
        monitor=monitor,
        champion=champion.version if champion else None,
        champion_bundle=champion.bundle if champion else None,
        promoted=champion.promoted if champion else None,
        scorers=_scorers(session, name, now),
        last_commit=session.scalar(select(func.max(OffsetRow.updated)).where(OffsetRow.monitor == name)),
        last_sign=last_sign_of_life(session, row),
        newest=newest,
        records=int(records),
        entities=count,
        warming=int(warming),
        stopped=stopped,
        stopped_partitions=stopped_partitions,
        missing=missing,
        open_by_severity=dict(loud),
        day=_promise(session, name, since=last_minute - _DAY if last_minute else now),
        tenure=_promise(session, name, version=champion.version if champion else -1),
        dead_letters_day=session.scalar(
            select(func.count()).where(DeadLetterRow.monitor == name, DeadLetterRow.created >= now - _DAY)
        )
        or 0,
        messages=messages_of(session, name),
        spark=_spark(session, name, last_minute) if last_minute else (),
        budget=((champion.evaluation or {}).get("details") or {}).get("budget") if champion else None,
    )


def _scorers(session: Session, name: str, now: datetime) -> tuple[ScorerFacts, ...]:
    rows = session.scalars(
        select(ScorerRow)
        .where(ScorerRow.monitor == name, ScorerRow.seen >= now - _OLD_SCORER)
        .order_by(ScorerRow.seen.desc())
        .limit(MOST_SCORERS)
    )
    return tuple(
        ScorerFacts(
            id=row.id,
            host=row.host,
            pid=row.pid,
            started=row.started,
            seen=row.seen,
            last_commit=row.last_commit,
            partitions=tuple(row.partitions),
            model_version=row.model_version,
            lag=row.lag,
            records_per_second=row.records_per_second,
            state=row.state,
            stopped=row.stopped,
        )
        for row in rows
    )


def _promise(session: Session, name: str, since: datetime | None = None, version: int | None = None) -> PromiseFacts:
    minutes = [MinuteCountRow.monitor == name]
    alerts = [
        AlertRow.monitor == name,
        AlertRow.kind == AlertKind.ANOMALY,
        AlertRow.status != AlertStatus.SILENCED,
    ]
    if since is not None:
        minutes.append(MinuteCountRow.minute > since)
        alerts.append(AlertRow.started > since)
    if version is not None:
        minutes.append(MinuteCountRow.model_version == version)
        alerts.append(AlertRow.model_version == version)
    first, last, scored, flagged = session.execute(
        select(
            func.min(MinuteCountRow.minute),
            func.max(MinuteCountRow.minute),
            func.coalesce(func.sum(MinuteCountRow.scored), 0),
            func.coalesce(func.sum(MinuteCountRow.flagged), 0),
        ).where(and_(*minutes))
    ).one()
    said = {
        verdict: (number, int(records))
        for verdict, number, records in session.execute(
            select(AlertRow.verdict, func.count(), func.coalesce(func.sum(AlertRow.records), 0))
            .where(and_(*alerts))
            .group_by(AlertRow.verdict)
        )
    }
    confirmed, refuted = said.get(Verdict.TRUE, (0, 0)), said.get(Verdict.FALSE, (0, 0))
    return PromiseFacts(
        start=first,
        end=last + timedelta(minutes=1) if last else None,
        scored=int(scored),
        flagged=int(flagged),
        episodes=sum(number for number, _ in said.values()),
        confirmed=confirmed[0],
        refuted=refuted[0],
        confirmed_records=confirmed[1],
        refuted_records=refuted[1],
    )


def _spark(session: Session, name: str, last_minute: datetime) -> tuple[MinuteTotal, ...]:
    rows = session.execute(
        select(MinuteCountRow.minute, func.sum(MinuteCountRow.scored), func.sum(MinuteCountRow.flagged))
        .where(
            MinuteCountRow.monitor == name,
            MinuteCountRow.minute > last_minute - timedelta(minutes=SPARK_MINUTES),
            MinuteCountRow.minute <= last_minute,
        )
        .group_by(MinuteCountRow.minute)
        .order_by(MinuteCountRow.minute)
    )
    return tuple(MinuteTotal(minute, int(scored), int(flagged)) for minute, scored, flagged in rows)
