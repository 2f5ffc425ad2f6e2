"""The notification outbox: messages are written in the transaction that causes them, and sent afterwards.

Delivery is at least once: a notifier that dies after sending and before saying so sends again, with the same dedupe key.
Nothing is lost, because a message leaves the outbox only when its channel took it or when it was given up, visibly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine, and_, func, or_, select, update

from latentwatch.alerts.grouping import Episode
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import FlaggedRecordRow, MonitorRow, NotificationRow
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.alert import Severity
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.outcome import FIELD_MOVED, FIELD_NEW, FIELD_VANISHED, STREAM_REFUSED, AuditEntry
from latentwatch.domain.record import Position

DUE, SENT, GIVEN_UP = "due", "sent", "given up"
LEASE = timedelta(minutes=2)
"""How long a claimed message is left to the notifier that claimed it."""
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
ATTEMPTS = 12
"""Tries before a message is given up: about an hour and a half."""


_CHANGES = {
    FIELD_NEW: (Severity.LOW, "field {!r} is new"),
    FIELD_VANISHED: (Severity.MEDIUM, "field {!r} no longer comes"),
    FIELD_MOVED: (Severity.HIGH, "field {!r} has another type"),
    STREAM_REFUSED: (Severity.HIGH, "the stream is refused"),
}
"""What people are told of a stream that looks other than it did: how urgent, and in a word."""


def announce(connection: Connection, monitor: str, episodes: Sequence[Episode], now: datetime) -> None:
    """Put one message per alert and channel of the monitor into the outbox."""
    if not episodes:
        return
    channels = _channels(connection, monitor)
    if not channels:
        return
    keyed = [(each, _opening_record(connection, monitor, each)) for each in episodes]
    rows = [_message(monitor, each, record, channel, now) for each, record in keyed for channel in channels]
    insert_new(connection, NotificationRow, rows)


def announce_stopped(
    connection: Connection, monitor: str, stops: Mapping[int, tuple[str, datetime, Position]], now: datetime
) -> None:
    """Put one message per entity that stopped sending and channel into the outbox.

    `stops` is alert to entity, and the event time and position of its last record.
    """
    channels = _channels(connection, monitor)
    rows = [
        {
            **_due(monitor, alert, f"alert-{monitor}-{last}-stopped-sending-{channel}", channel, now),
            **_titled(Severity.MEDIUM, f"{_subject(monitor, entity)}: stopped sending"),
            "body": f"Alert {alert}: nothing has come since {since:%Y-%m-%d %H:%M:%S} UTC, far longer than usual.",
        }
        for alert, (entity, since, last) in stops.items()
        for channel in channels
    ]
    insert_new(connection, NotificationRow, rows)


def announce_changes(connection: Connection, monitor: str, entries: Sequence[AuditEntry], now: datetime) -> None:
    """Put one message per channel about a stream that looks other than it did into the outbox, of one field once a day."""
    told = [entry for entry in entries if entry.kind in _CHANGES]
    if not told:
        return
    channels = _channels(connection, monitor)
    rows = [
        {
            **_due(
                monitor, None, f"stream-{monitor}-{entry.kind}-{entry.subject}-{now:%Y%m%d}-{channel}", channel, now
            ),
            **_titled(_CHANGES[entry.kind][0], f"{monitor}: {_CHANGES[entry.kind][1].format(entry.subject)}"),
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
    told = _channels(connection, monitor) if channels is None else channels
    body = f"Run {run} ended in the step {step}: {reason}\nThe model that serves, if there is one, goes on."
    rows = [
        {
            **_due(monitor, None, f"run-{monitor}-{run}-failed-{channel}", channel, now),
            **_titled(Severity.MEDIUM, f"{monitor}: retraining failed"),
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
            **_due(monitor, None, f"model-{monitor}-{bundle}-held-{channel}", channel, now),
            **_titled(Severity.LOW, f"{monitor}: model version {version} was held"),
            "body": "\n".join((*reasons, "The model that serves, if there is one, goes on.")),
        }
        for channel in _channels(connection, monitor)
    ]
    insert_new(connection, NotificationRow, rows)


def _channels(connection: Connection, monitor: str) -> Sequence[str]:
    return connection.execute(select(MonitorRow.notify).where(MonitorRow.name == monitor)).scalar() or []


def _subject(monitor: str, entity: str) -> str:
    return f"{monitor} / {entity}" if entity else monitor


def _titled(severity: Severity, title: str) -> dict[str, object]:
    """The word stands in the title too, for channels that have neither colour nor sound."""
    return {"severity": severity, "title": f"[{severity.value}] {title}"}


def _due(monitor: str, alert: int | None, dedupe_key: str, channel: str, now: datetime) -> dict[str, object]:
    return {
        "monitor": monitor,
        "alert_id": alert,
        "channel": channel,
        "dedupe_key": dedupe_key,
        "status": DUE,
        "attempts": 0,
        "due": now,
        "error": "",
        "created": now,
        "sent": None,
    }


def _opening_record(connection: Connection, monitor: str, episode: Episode) -> Position:
    """The record that opened an alert, by which its messages are keyed.

    Not by its number: after an older database was restored, numbers are given again, and a new alert would pass for one
    of which people were told. The record with the lowest offset opened it: alerts grow in the order of arrival.
    """
    if episode.opened_by is not None:
        return episode.opened_by
    row, (source, partition, offset) = FlaggedRecordRow, episode.peak
    lowest = connection.scalar(
        select(func.min(row.offset)).where(
            row.monitor == monitor, row.alert_id == episode.id, row.source == source, row.partition == partition
        )
    )
    return Position(source, partition, offset if lowest is None else lowest)


def _message(monitor: str, episode: Episode, record: Position, channel: str, now: datetime) -> dict[str, object]:
    occasion = "opened" if episode.stored_severity is None else "critical"
    subject = _subject(monitor, episode.entity)
    features = ", ".join(episode.features) or "no single feature"
    return {
        **_due(monitor, episode.id, f"alert-{monitor}-{record}-{occasion}-{channel}", channel, now),
        **_titled(episode.severity, f"{subject}: {'not normal' if occasion == 'opened' else 'now critical'}"),
        "body": (
            f"Alert {episode.id}, since {episode.started:%Y-%m-%d %H:%M:%S} UTC: {episode.records} flagged "
            f"record{'s' if episode.records > 1 else ''}, peak surprise {episode.peak_surprise:.1f} "
            f"(threshold {episode.threshold:.1f}), model version {episode.model_version}. Most unusual: {features}."
            + "".join(f" {crossing.in_words}." for crossing in episode.crossed)
        ),
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
    ) -> None:
        """Deliver until told to stop.

        Calls `on_round` after rounds that did something, and `on_wait` with the reason while the database is away.
        """
        while not stop():
            delivery = Delivery()
            try:
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
                    # What was never tried is due at once: the scorer that wrote its time may have had a wrong clock.
                    .where(row.status == DUE, or_(row.due <= now, row.attempts == 0))
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
