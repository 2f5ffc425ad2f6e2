"""Alerts that are put off: until a time, until they are over, or until they become critical, whichever is first.

Snoozing goes by the clock on the wall, not by event time: it is about the people who would be disturbed.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from latentwatch.alerts.tables import AlertEventRow, AlertRow
from latentwatch.domain.alert import AlertStatus
from latentwatch.domain.errors import InvalidInput

WOKE = "woke"
"""The event of a snoozed alert that is open again."""
_MOST_AT_ONCE = 2_000


def said_until(until: datetime | None) -> str:
    """Until when something is put off, in words.

    >>> said_until(None)
    'until it is over'
    """
    return "until it is over" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC"


def checked_until(until: datetime | None, now: datetime) -> datetime | None:
    """The time, which must be to come. Raises InvalidInput."""
    if until is not None and until <= now:
        raise InvalidInput(f"{until:%Y-%m-%d %H:%M} UTC has passed; snooze until a time that is to come")
    return until


def wake_due(connection: Connection, monitor: str, now: datetime) -> list[int]:
    """Open the alerts again that were snoozed until a time that has come; returns those that still go on."""
    row = AlertRow
    due = connection.execute(
        select(row.id, row.over)
        .where(row.monitor == monitor, row.status == AlertStatus.SNOOZED, row.snoozed_until <= now)
        .order_by(row.id)
        .limit(_MOST_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    _wake(connection, [each.id for each in due], "its snooze has ended", now)
    return [each.id for each in due if not each.over]


def wake_critical(connection: Connection, alerts: Sequence[int], now: datetime) -> None:
    """Open those of these alerts again that are snoozed: they became critical."""
    _wake(connection, _snoozed(connection, alerts), "it became critical", now)


def wake_over(connection: Connection, alerts: Sequence[int], now: datetime) -> None:
    """Open those of these alerts again that are snoozed without a time: they are over, and wait for a label."""
    _wake(connection, _snoozed(connection, alerts, AlertRow.snoozed_until.is_(None)), "it is over", now)


def _snoozed(connection: Connection, alerts: Sequence[int], *conditions: object) -> Sequence[int]:
    row = AlertRow
    found: list[int] = []
    for start in range(0, len(alerts), _MOST_AT_ONCE):
        some = alerts[start : start + _MOST_AT_ONCE]
        query = select(row.id).where(row.id.in_(some), row.status == AlertStatus.SNOOZED, *conditions)  # type: ignore[arg-type]
        found += connection.scalars(query)
    return found


def _wake(connection: Connection, alerts: Sequence[int], why: str, now: datetime) -> None:
    if not alerts:
        return
    connection.execute(
        update(AlertRow).where(AlertRow.id.in_(alerts)).values(status=AlertStatus.OPEN, snoozed_until=None, updated=now)
    )
    connection.execute(
        insert(AlertEventRow),
        [{"alert_id": alert, "kind": WOKE, "author": "", "note": why, "created": now} for alert in alerts],
    )
