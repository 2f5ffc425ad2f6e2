"""Deleting what nobody needs any more, in small transactions, so that no scorer waits for long.

What people have said is kept for ever: a labelled alert with its records, and every label. So is what nobody has looked
at yet: only alerts without a verdict that are closed, or that a silence hid, go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, delete, select, tuple_

from latentwatch.alerts.columns import Row
from latentwatch.alerts.group_count_table import GroupCountRow
from latentwatch.alerts.outbox import DUE
from latentwatch.alerts.session import transaction
from latentwatch.alerts.tables import (
    AlertRow,
    AuditRow,
    DeadLetterRow,
    EntityRow,
    MinuteCountRow,
    NotificationRow,
    ScorerRow,
    TraceRow,
)
from latentwatch.alerts.unread_table import UnreadValueRow
from latentwatch.domain.alert import AlertStatus

_CHUNK = 2_000
_ALERT_CHUNK = 20
"""Deleting an alert deletes its records, which may be many."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How old each kind of row may grow."""

    trace: timedelta = timedelta(days=7)
    """By event time; the newest half hour of an entity that still sends is kept by overwriting, not by age."""
    minute_counts: timedelta = timedelta(days=400)
    group_counts: timedelta = timedelta(days=400)
    alerts: timedelta = timedelta(days=180)
    dead_letters: timedelta = timedelta(days=30)
    unread_values: timedelta = timedelta(days=30)
    """Since the latest of a field."""
    notifications: timedelta = timedelta(days=30)
    audit: timedelta = timedelta(days=400)
    scorers: timedelta = timedelta(days=7)
    entities: timedelta = timedelta(days=90)
    """Since they were last heard of: names may be many, and new ones every day."""


def prune(
    engine: Engine, ages: Ages, now: datetime, on_progress: Callable[[str, int], None] = lambda table, deleted: None
) -> dict[str, int]:
    """Delete what is older than its age; returns how many rows of each table. Raises Unavailable: run it again."""
    alert, notification = AlertRow, NotificationRow
    rules: list[tuple[type[Row], int, list[ColumnElement[bool]]]] = [
        (TraceRow, _CHUNK, [TraceRow.time < now - ages.trace]),
        (MinuteCountRow, _CHUNK, [MinuteCountRow.minute < now - ages.minute_counts]),
        (GroupCountRow, _CHUNK, [GroupCountRow.day < now - ages.group_counts]),
        (DeadLetterRow, _CHUNK, [DeadLetterRow.created < now - ages.dead_letters]),
        (UnreadValueRow, _CHUNK, [UnreadValueRow.latest < now - ages.unread_values]),
        (NotificationRow, _CHUNK, [notification.status != DUE, notification.created < now - ages.notifications]),
        (AuditRow, _CHUNK, [AuditRow.created < now - ages.audit]),
        (ScorerRow, _CHUNK, [ScorerRow.seen < now - ages.scorers]),
        (EntityRow, _CHUNK, [EntityRow.updated < now - ages.entities]),
        (
            AlertRow,
            _ALERT_CHUNK,
            [
                alert.status.in_((AlertStatus.CLOSED, AlertStatus.SILENCED)),
                alert.verdict.is_(None),
                alert.ended < now - ages.alerts,
            ],
        ),
    ]
    deleted: dict[str, int] = {}
    for row, chunk, old in rules:
        deleted[row.__tablename__] = delete_rows(engine, row, old, chunk)
        on_progress(row.__tablename__, deleted[row.__tablename__])
    return deleted


def delete_rows(engine: Engine, row: type[Row], conditions: list[ColumnElement[bool]], chunk: int = _CHUNK) -> int:
    """Delete the rows that meet all conditions, `chunk` in a transaction; returns how many. Raises Unavailable."""
    key = list(row.__table__.primary_key)
    doomed = select(*key).where(*conditions).limit(chunk)
    total = 0
    while True:
        with transaction(engine) as session:
            statement = delete(row).where(tuple_(*key).in_(doomed)).returning(key[0])
            count = len(session.execute(statement.execution_options(synchronize_session=False)).all())
        total += count
        if count < chunk:
            return total
