"""Telling people again: of incidents that go on and that nobody took care of, and of those whose snooze has ended.

By the clock on the wall, and by whoever delivers messages, so that people are reminded also where nothing comes any more.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from latentwatch.alerts.announcing import STILL, tell_again
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.session import reading, take_turns, transaction
from latentwatch.alerts.snoozing import wake_due
from latentwatch.alerts.tables import AlertRow, MonitorRow, NotificationRow
from latentwatch.domain.alert import AlertStatus
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.monitor import parse_monitor

_MOST_AT_ONCE = 200


def remind(engine: Engine, now: datetime) -> None:
    """Wake what was snoozed until now, and write the reminders that are due, of every monitor. Raises Unavailable."""
    with reading(engine) as session:
        known = session.execute(select(MonitorRow.name, MonitorRow.definition).order_by(MonitorRow.name)).all()
    for name, definition in known:
        with transaction(engine) as session:
            connection = session.connection()
            take_turns(connection, [f"reminders of {name}"])
            woken(connection, name, now)
            every = _every(definition)
            for incident in _unattended(connection, name, now - every) if every is not None else ():
                tell_again(connection, name, incident, STILL, now)


def woken(connection: Connection, monitor: str, now: datetime) -> None:
    """Wake what was snoozed until now, and tell of what still goes on of it."""
    alerts = wake_due(connection, monitor, now)
    if alerts:
        member = IncidentMemberRow
        numbers = connection.scalars(select(member.incident).where(member.alert_id.in_(alerts)).distinct())
        for incident in sorted(numbers):
            tell_again(connection, monitor, incident, STILL, now)


def _every(definition: str) -> timedelta | None:
    try:
        return parse_monitor(definition).alert.remind
    except InvalidMonitor:  # of an earlier version
        return None


def _unattended(connection: Connection, monitor: str, told_before: datetime) -> list[int]:
    """Incidents with an open alert that goes on, of which people heard last before that time."""
    row, member, message = AlertRow, IncidentMemberRow, NotificationRow
    waiting = (
        select(member.incident)
        .join(row, row.id == member.alert_id)
        .where(row.monitor == monitor, row.status == AlertStatus.OPEN, ~row.over)
    )
    found = connection.scalars(
        select(member.incident)
        .join(message, message.alert_id == member.alert_id)
        .where(member.incident.in_(waiting), message.occasion != "")
        .group_by(member.incident)
        .having(func.max(message.created) <= told_before)
        .order_by(member.incident)
        .limit(_MOST_AT_ONCE)
    )
    return list(found)
