"""What promised and realised alarms are compared by: records scored of each group, and the alarms that nobody confirmed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, and_, func, select

from latentwatch.alerts.group_count_table import GroupCountRow
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow, FlaggedRecordRow
from latentwatch.domain.alert import AlertKind, Verdict
from latentwatch.domain.groups import GroupedBy, GroupName
from latentwatch.domain.record import Value

MOST_ALARMS = 5_000
MOST_GROUP_DAYS = 100_000


@dataclass(frozen=True, slots=True)
class GroupDay:
    """How many records of a group were scored on a day of event time."""

    group: GroupName
    day: datetime
    scored: int


@dataclass(frozen=True, slots=True)
class UnconfirmedAlarm:
    """An alert about an anomaly that nobody confirmed and no limit raised: one run of flagged records."""

    id: int
    entity: str
    started: datetime
    records: int
    peak_surprise: float
    threshold: float
    values: dict[str, Value]
    """What its strangest record showed."""


def group_days(engine: Engine, monitor: str, since: datetime) -> list[GroupDay]:
    """Every group's days from a day on, the latest first, at most so many. Raises Unavailable."""
    row = GroupCountRow
    key = (row.grouped_by, row.field, row.value, row.day)
    wanted = (
        select(*key, func.sum(row.scored))
        .where(row.monitor == monitor, row.day >= since)
        .group_by(*key)
        .order_by(row.day.desc(), row.grouped_by, row.field, row.value)
        .limit(MOST_GROUP_DAYS)
    )
    with reading(engine) as session:
        return [
            GroupDay(GroupName(GroupedBy(by), field, value), day, int(scored))
            for by, field, value, day, scored in session.execute(wanted)
        ]


def unconfirmed_alarms(engine: Engine, monitor: str, since: datetime) -> list[UnconfirmedAlarm]:
    """Alarms that began from a moment on, the latest first, at most so many. Raises Unavailable."""
    alert, record = AlertRow, FlaggedRecordRow
    strangest = and_(
        record.monitor == alert.monitor,
        record.source == alert.peak_source,
        record.partition == alert.peak_partition,
        record.offset == alert.peak_offset,
    )
    wanted = (
        select(alert, record.values)
        .join(record, strangest)
        .where(
            alert.monitor == monitor,
            alert.kind == AlertKind.ANOMALY,
            alert.started >= since,
            func.coalesce(alert.verdict, Verdict.UNSURE) != Verdict.TRUE,
        )
        .order_by(alert.started.desc(), alert.id)
        .limit(MOST_ALARMS)
    )
    with reading(engine) as session:
        return [
            UnconfirmedAlarm(row.id, row.entity, row.started, row.records, row.peak_surprise, row.threshold, values)
            for row, values in session.execute(wanted)
            if not row.crossed
        ]
