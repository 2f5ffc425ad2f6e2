"""The notification outbox: messages are written in the transaction that causes them, and sent afterwards.

Delivery is at least once: a notifier that dies after sending and before saying so sends again, with the same dedupe key.
Nothing is lost, because a message leaves the outbox only when its channel took it or when it was given up, visibly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine, and_, func, or_, select, update

from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import MonitorRow, NotificationRow
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.alert import Severity
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidMonitor, Unavailable
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.outcome import FIELD_MOVED, FIELD_NEW, FIELD_VANISHED, STREAM_REFUSED, AuditEntry

DUE, SENT, GIVEN_UP = "due", "sent", "given up"
LEASE = timedelta(minutes=2)
"""How long a claimed message is left to the notifier that claimed it."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
PREPARE_SECONDS = 30.0
ATTEMPTS = 12
"""Tries before a message is given up: about an hour and a half."""


_CHANGES = {
    FIELD_NEW: (Severity.LOW, "field {!r} is new"),
    FIELD_VANISHED: (Severity.MEDIUM, "field {!r} no longer comes"),
    FIELD_MOVED: (Severity.HIGH, "field {!r} has another type"),
    STREAM_REFUSED: (Severity.HIGH, "the stream is refused"),
}
"""What people are told of a stream that looks other than it did: how urgent, and in a word."""


def announce_changes(connection: Connection, monitor: str, entries: Sequence[AuditEntry], now: datetime) -> None:
    """Put one message per channel about a stream that looks other than it did into the outbox, of one field once a day."""
    told = [entry for entry in entries if entry.kind in _CHANGES]
    if not told:
        return
    channels = channels_of(connection, monitor)
    rows = [
        {
            **new_message(
                monitor, None, f"stream-{monitor}-{entry.kind}-{entry.subject}-{now:%Y%m%d}-{channel}", channel, now
            ),
            **titled(_CHANGES[entry.kind][0], f"{monitor}: {_CHANGES[entry.kind][1].format(entry.subject)}"),
            "body": entry.message,
        }
        for entry in told
        for channel in channels
    ]
    insert_new(connection, NotificationRow, rows)


def announce_failure(
    connection: Connection,
    monitor: str,
    channels: Sequence[str] | None,
    run: str,
    step: str,
    reason: str,
    now: datetime,
) -> None:
    """Put one message per channel about a retraining run that failed into the outbox, once however often it is said.

    `channels` are the monitor's as its file has them; None takes those that the database knows.
    """
    told = channels_of(connection, monitor) if channels is None else channels
    body = f"Run {run} ended in the step {step}: {reason}\nThe model that serves, if there is one, goes on."
    rows = [
        {
            **new_message(monitor, None, f"run-{monitor}-{run}-failed-{channel}", channel, now),
            **titled(Severity.MEDIUM, f"{monitor}: retraining failed"),
            "body": body,
        }
        for channel in told
    ]
    insert_new(connection, NotificationRow, rows)


def announce_held(
    connection: Connection, monitor: str, version: int, bundle: str, reasons: Sequence[str], now: datetime
) -> None:
    """Put one message per channel about a new model that was held into the outbox."""
    rows = [
        {
            # By the bundle: after an older database was restored its version numbers are given again.
            **new_message(monitor, None, f"model-{monitor}-{bundle}-held-{channel}", channel, now),
            **titled(Severity.LOW, f"{monitor}: model version {version} was held"),
            "body": "\n".join((*reasons, "The model that serves, if there is one, goes on.")),
        }
        for channel in channels_of(connection, monitor)
    ]
    insert_new(connection, NotificationRow, rows)


def channels_of(connection: Connection, monitor: str) -> Sequence[str]:
    """Names of a monitor's notification channels; none of a monitor that nobody registered."""
    return connection.execute(select(MonitorRow.notify).where(MonitorRow.name == monitor)).scalar() or []


def levels_of(connection: Connection, monitor: str) -> Mapping[str, Severity]:
    """The smallest severity of which each channel that asks for one is told, as the monitor's file says."""
    definition = connection.scalar(select(MonitorRow.definition).where(MonitorRow.name == monitor))
    try:
        return parse_monitor(definition or "").alert.notify_from
    except InvalidMonitor:  # of an earlier version, or gone
        return {}


def subject_of(monitor: str, entity: str) -> str:
    """What a message is about."""
    return f"{monitor} / {entity}" if entity else monitor


def titled(severity: Severity, title: str) -> dict[str, object]:
    """The word stands in the title too, for channels that have neither colour nor sound."""
    return {"severity": severity, "title": f"[{severity.value}] {title}"}


def new_message(monitor: str, alert: int | None, dedupe_key: str, channel: str, now: datetime) -> dict[str, object]:
    """The columns of a message that is due now, without what it says."""
    return {
        "monitor": monitor,
        "alert_id": alert,
        "channel": channel,
        "dedupe_key": dedupe_key,
        "key": dedupe_key.removesuffix(f"-{channel}"),
        "status": DUE,
        "attempts": 0,
        "due": now,
        "error": "",
        "created": now,
        "sent": None,
    }


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one channel."""

    id: int
    monitor: str
    alert: int | None
    """None where it is about a model or a retraining run."""
    channel: str
    dedupe_key: str
    severity: Severity
    title: str
    body: str
    attempts: int
    """Including the one under way."""
    created: datetime
    key: str = ""
    """What the receiver calls the thing it is about: of an incident the same in every message, from open to over."""
    occasion: str = ""
    """Of an incident: opened, critical, wider, again, acknowledged, still, over; else empty."""


def _notification(row: NotificationRow) -> Notification:
    return Notification(
        id=row.id,
        monitor=row.monitor,
        alert=row.alert_id,
        channel=row.channel,
        dedupe_key=row.dedupe_key,
        severity=row.severity,
        title=row.title,
        body=row.body,
        attempts=row.attempts,
        created=row.created,
        key=row.key,
        occasion=row.occasion,
    )


class Channel(Protocol):
    """A way to people. Called from one thread at a time."""

    def send(self, notification: Notification) -> None:
        """Deliver; returns when the other side took it. Raises Unavailable with the reason in words."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one round of the notifier did."""

    sent: int = 0
    postponed: int = 0
    given_up: int = 0
    reasons: tuple[str, ...] = field(default=(), compare=False)
    """Why messages could not be sent, each reason once."""


class Notifier:
    """Sends what is due. Any number may run at once; each message is one notifier's for the length of its lease."""

    def __init__(self, engine: Engine, channels: Mapping[str, Channel], clock: Clock) -> None:
        self._engine = engine
        self._channels = channels
        self._clock = clock

    def deliver(self, limit: int = 20) -> Delivery:
        """Try every due message once, at most `limit` of them, oldest first. Raises Unavailable (the database's)."""
        sent = postponed = given_up = 0
        reasons: dict[str, None] = {}
        for notification in self._claim(limit):
            status, error = self._try(notification)
            sent += status == SENT
            postponed += status == DUE
            given_up += status == GIVEN_UP
            if error:
                reasons[error] = None
        return Delivery(sent, postponed, given_up, tuple(reasons))

    def run(
        self,
        stop: Callable[[], bool],
        on_round: Callable[[Delivery], None],
        on_wait: Callable[[str], None],
        every_seconds: float = 2.0,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Deliver until told to stop.

        Calls `on_round` after rounds that did something, `on_wait` with the reason while the database is away, and every
        half minute `prepare`, which may write further messages.
        """
        prepared = float("-inf")
        while not stop():
            delivery = Delivery()
            try:
                if self._clock.monotonic() - prepared >= PREPARE_SECONDS:
                    prepare()
                    prepared = self._clock.monotonic()
                delivery = self.deliver()
            except Unavailable as error:
                on_wait(str(error))
            if delivery == Delivery():
                self._clock.sleep(every_seconds)
            else:
                on_round(delivery)

    def _claim(self, limit: int) -> list[Notification]:
        """Due messages, moved out of other notifiers' sight until the lease ends.

        The transaction is durable, and with it every earlier one: no message goes out about an alert that a power cut
        could still undo.
        """
        now = self._clock.now()
        row = NotificationRow
        with transaction(self._engine) as session:
            due = (
                session.execute(
                    select(row.id)
                    # What was never tried and was written later than now is due: its writer had a wrong clock.
                    .where(row.status == DUE, or_(row.due <= now, and_(row.attempts == 0, row.created > now)))
                    .order_by(row.due, row.id)
                    .limit(limit)
                    .with_for_update(skip_locked=True)
                )
                .scalars()
                .all()
            )
            claimed = session.scalars(
                update(row)
                .where(row.id.in_(due))
                .values(due=now + LEASE, attempts=row.attempts + 1)
                .returning(row)
                .execution_options(synchronize_session=False)
            ).all()
            return [_notification(each) for each in sorted(claimed, key=lambda each: each.id)]

    def _try(self, notification: Notification) -> tuple[str, str]:
        """Send one message and write down what came of it; returns its new status, and what went wrong."""
        channel = self._channels.get(notification.channel)
        if channel is None:
            known = ", ".join(sorted(self._channels)) or "none"
            return self._fail(notification, f"no channel named {notification.channel!r} is set up (set up: {known})")
        try:
            channel.send(notification)
        except Unavailable as error:
            return self._fail(notification, str(error))
        self._write(notification, status=SENT, sent=self._clock.now(), error="")
        return SENT, ""

    def _fail(self, notification: Notification, error: str) -> tuple[str, str]:
        status = GIVEN_UP if notification.attempts >= ATTEMPTS else DUE
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (notification.attempts - 1))
        self._write(notification, status=status, due=self._clock.now() + pause, error=error)
        return status, error

    def _write(self, notification: Notification, **values: object) -> None:
        with transaction(self._engine) as session:
            session.execute(
                update(NotificationRow)
                .where(NotificationRow.id == notification.id, NotificationRow.status == DUE)
                .values(**values)
                .execution_options(synchronize_session=False)
            )


def due_too_late(
    engine: Engine, now: datetime, tolerance: timedelta = timedelta(minutes=1)
) -> tuple[int, datetime] | None:
    """How many due messages lie further ahead than any pause between two tries, and the farthest; None for none.

    Only a clock that was ahead when they were written puts them there. Raises Unavailable.
    """
    row = NotificationRow
    ahead = or_(
        row.due > now + LONGEST_PAUSE + tolerance,
        and_(row.attempts == 0, row.due > now + tolerance),
    )
    with reading(engine) as session:
        number, farthest = session.execute(
            select(func.count(), func.max(row.due)).where(row.status == DUE, ahead)
        ).one()
    return (number, farthest) if number else None


def outbox_state(engine: Engine) -> dict[str, int]:
    """How many messages are due, sent and given up. Raises Unavailable."""
    with reading(engine) as session:
        counts = session.execute(select(NotificationRow.status, func.count()).group_by(NotificationRow.status))
        return {DUE: 0, SENT: 0, GIVEN_UP: 0} | dict(counts.all())
