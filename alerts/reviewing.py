"""What people do with alerts: acknowledge, snooze, assign, comment, label, close, reopen; and what their verdicts keep out of
training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, and_, or_, select
from sqlalchemy.orm import Session

from latentwatch.alerts.announcing import announce_acknowledged
from latentwatch.alerts.grouping import shifted
from latentwatch.alerts.missed_stretches import missed_spans
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.snoozing import checked_until, said_until
from latentwatch.alerts.steps import stretches_kept_out
from latentwatch.alerts.tables import AlertEventRow, AlertRow, LabelRow
from latentwatch.domain.alert import AlertKind, AlertStatus, ConfirmedAlert, Label, Verdict
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, NotFound

INCIDENT_MARGIN = timedelta(minutes=5)
"""How far around an incident records stay out of training: it begins before it is flagged, and ends after."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of one entity's time, half open."""

    entity: str
    start: datetime
    end: datetime


class Step(NamedTuple):
    """A way from some states to another, and the event's name."""

    states: tuple[AlertStatus, ...]
    to: AlertStatus
    kind: str


_WAITING = (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED, AlertStatus.SNOOZED)
ACKNOWLEDGE = Step((AlertStatus.OPEN, AlertStatus.SNOOZED), AlertStatus.ACKNOWLEDGED, "acknowledged")
SNOOZE = Step(_WAITING, AlertStatus.SNOOZED, "snoozed")
CLOSE = Step((*_WAITING, AlertStatus.SILENCED), AlertStatus.CLOSED, "closed")
REOPEN = Step(tuple(each for each in AlertStatus if each is not AlertStatus.OPEN), AlertStatus.OPEN, "reopened")


def acknowledge(engine: Engine, alert: int, author: str, note: str = "", clock: Clock | None = None) -> AlertStatus:
    """Say that somebody looks at an open alert; another one stays as it is. Raises NotFound, InvalidInput, Unavailable."""
    return _take(engine, alert, ACKNOWLEDGE, author, note, clock)


def close(engine: Engine, alert: int, author: str, note: str = "", clock: Clock | None = None) -> AlertStatus:
    """Put an alert away without a verdict; flagged records that go on open another. Raises as `acknowledge`."""
    return _take(engine, alert, CLOSE, author, note, clock)


def reopen(engine: Engine, alert: int, author: str, note: str = "", clock: Clock | None = None) -> AlertStatus:
    """Bring a closed, acknowledged, snoozed or silenced alert back into the inbox. Labels stay. Raises as `acknowledge`."""
    return _take(engine, alert, REOPEN, author, note, clock)


def label(
    engine: Engine,
    alert: int,
    verdict: Verdict,
    author: str,
    cause: str = "",
    note: str = "",
    clock: Clock | None = None,
) -> Label:
    """Give a verdict, after earlier ones, which stay in the history.

    True and false close the alert; while its stretch goes on, its further records still join it, under the verdict.
    Unsure leaves it acknowledged, for somebody else. Raises as `acknowledge`.
    """
    with transaction(engine) as session:
        return label_locked(session, locked_alert(session, alert), Verdict(verdict), author, cause, note, clock)


def label_locked(
    session: Session, row: AlertRow, verdict: Verdict, author: str, cause: str, note: str, clock: Clock | None
) -> Label:
    """`label`, inside a transaction that has locked the alert."""
    now = _stamp(row, clock)
    given = Label(row.id, verdict, signed(author), cause.strip(), note.strip(), now)
    session.add(
        LabelRow(
            alert_id=row.id,
            verdict=given.verdict,
            author=given.author,
            cause=given.cause,
            note=given.note,
            created=given.created,
        )
    )
    row.verdict = given.verdict
    row.status = AlertStatus.ACKNOWLEDGED if given.verdict is Verdict.UNSURE else AlertStatus.CLOSED
    row.snoozed_until = None
    write_event(session, row, "labelled", author, f"{given.verdict.value}: {cause or note}".rstrip(": "), clock)
    return given


def labels(engine: Engine, alert: int) -> list[Label]:
    """Every verdict on an alert, oldest first. Raises Unavailable."""
    row = LabelRow
    with reading(engine) as session:
        found = session.execute(
            select(row.alert_id, row.verdict, row.author, row.cause, row.note, row.created)
            .where(row.alert_id == alert)
            .order_by(row.id)
        )
        return [Label(*each) for each in found]


def excluded_intervals(engine: Engine, monitor: str, margin: timedelta = INCIDENT_MARGIN) -> list[Interval]:
    """What must not be learned as normal: alerts labelled true, those that nobody has judged false or put away, and lasting
    changes that nobody has accepted, and stretches that were abnormal and never alarmed.

    What a silence hid is left out too, until it is labelled false: maintenance is not normal.
    With a margin on both sides; overlapping stretches of an entity are joined; by entity, then time. Raises Unavailable.
    """
    row = AlertRow
    undecided = or_(row.verdict.is_(None), row.verdict == Verdict.UNSURE)
    with reading(engine) as session:
        found = session.execute(
            select(row.entity, row.started, row.ended)
            .where(
                row.monitor == monitor,
                row.kind != AlertKind.MISSED_RUN,  # what came before and after a run that did not is normal
                or_(
                    row.verdict == Verdict.TRUE,
                    and_(or_(row.status != AlertStatus.CLOSED, row.silence_id.is_not(None)), undecided),
                ),
            )
            .order_by(row.entity, row.started)
        ).all()
        stretches = [*found, *stretches_kept_out(session, monitor), *missed_spans(session, monitor)]
    intervals = [Interval(entity, shifted(start, -margin), shifted(end, margin)) for entity, start, end in stretches]
    return _joined(sorted(intervals, key=lambda each: (each.entity, each.start)))


def confirmed_alerts(engine: Engine, monitor: str) -> list[ConfirmedAlert]:
    """Alerts whose latest verdict is that they are true, oldest first, each with the cause that was last named. Raises
    Unavailable."""
    row = AlertRow
    with reading(engine) as session:
        found = session.execute(
            select(row.id, row.entity, row.started, row.ended)
            .where(row.monitor == monitor, row.verdict == Verdict.TRUE, row.kind == AlertKind.ANOMALY)
            .order_by(row.started, row.id)
        ).all()
        ids = [each.id for each in found]
        named = session.execute(
            select(LabelRow.alert_id, LabelRow.cause)
            .where(LabelRow.alert_id.in_(ids), LabelRow.cause != "")
            .order_by(LabelRow.id)
        )
        causes = {each.alert_id: each.cause for each in named}
    return [ConfirmedAlert(*each, cause=causes.get(each.id, "")) for each in found]


def _take(engine: Engine, alert: int, step: Step, author: str, note: str, clock: Clock | None) -> AlertStatus:
    with transaction(engine) as session:
        row = locked_alert(session, alert)
        if take_step(session, row, step, author, note, clock) and step is ACKNOWLEDGE:
            session.flush()
            announce_acknowledged(session.connection(), [alert], signed(author), row.updated)
        return row.status


def take_step(session: Session, row: AlertRow, step: Step, author: str, note: str, clock: Clock | None) -> bool:
    """Take an alert that is locked to another state, where there is a way; returns whether there was."""
    if row.status not in step.states:
        return False
    row.status, row.snoozed_until = step.to, None
    write_event(session, row, step.kind, author, note, clock)
    return True


def snooze_locked(
    session: Session, row: AlertRow, until: datetime | None, author: str, note: str, clock: Clock | None
) -> bool:
    """Put an alert that is locked off until a time, or until it is over; returns whether it was waiting for anybody."""
    until = checked_until(until, (clock or SystemClock()).now())
    if until is None and row.over:
        return False
    done = take_step(session, row, SNOOZE, author, ": ".join(filter(None, (said_until(until), note.strip()))), clock)
    if done:
        row.snoozed_until = until
    return done


def assign_locked(session: Session, row: AlertRow, assignee: str, author: str, note: str, clock: Clock | None) -> bool:
    """Say who takes care of an alert that is locked, or with an empty name that nobody does; returns whether that is new."""
    if row.assignee == assignee:
        return False
    row.assignee = assignee
    said = f"to {assignee}" if assignee else "to nobody"
    write_event(session, row, "assigned", author, ": ".join(filter(None, (said, note.strip()))), clock)
    return True


def _joined(intervals: Sequence[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for interval in intervals:
        last = joined[-1] if joined else None
        if last is not None and last.entity == interval.entity and interval.start <= last.end:
            joined[-1] = Interval(last.entity, last.start, max(last.end, interval.end))
        else:
            joined.append(interval)
    return joined


def locked_alert(session: Session, alert: int) -> AlertRow:
    """An alert, which nobody else changes until the transaction ends. Raises NotFound."""
    row = session.get(AlertRow, alert, with_for_update=True)
    if row is None:
        raise NotFound(f"there is no alert {alert}; it may have been deleted by retention, or never have been")
    return row


def signed(author: str) -> str:
    """The name of whoever says so. Raises InvalidInput where it is empty."""
    if not author.strip():
        raise InvalidInput("a verdict needs its author's name; give one")
    return author.strip()


def _stamp(row: AlertRow, clock: Clock | None) -> datetime:
    row.updated = (clock or SystemClock()).now()
    return row.updated


def write_event(session: Session, row: AlertRow, kind: str, author: str, note: str, clock: Clock | None) -> None:
    """Add to an alert's history what somebody did with it now."""
    now = _stamp(row, clock)
    session.add(AlertEventRow(alert_id=row.id, kind=kind, author=signed(author), note=note.strip(), created=now))
