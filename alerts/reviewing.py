"""What people do with alerts: acknowledge, label, close, reopen; and what their verdicts keep out of training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, and_, or_, select
from sqlalchemy.orm import Session

from latentwatch.alerts.grouping import shifted
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import AlertEventRow, AlertRow, LabelRow
from latentwatch.domain.alert import AlertStatus, Label, Verdict
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


class _Step(NamedTuple):
    """A way from some states to another, and the event's name."""

    states: tuple[AlertStatus, ...]
    to: AlertStatus
    kind: str


_ACKNOWLEDGE = _Step((AlertStatus.OPEN,), AlertStatus.ACKNOWLEDGED, "acknowledged")
_CLOSE = _Step((AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED, AlertStatus.SILENCED), AlertStatus.CLOSED, "closed")
_REOPEN = _Step((AlertStatus.ACKNOWLEDGED, AlertStatus.SILENCED, AlertStatus.CLOSED), AlertStatus.OPEN, "reopened")


def acknowledge(engine: Engine, alert: int, author: str, note: str = "", clock: Clock | None = None) -> AlertStatus:
    """Say that somebody looks at an open alert; another one stays as it is. Raises NotFound, InvalidInput, Unavailable."""
    return _take(engine, alert, _ACKNOWLEDGE, author, note, clock)


def close(engine: Engine, alert: int, author: str, note: str = "", clock: Clock | None = None) -> AlertStatus:
    """Put an alert away without a verdict; flagged records that go on open another. Raises as `acknowledge`."""
    return _take(engine, alert, _CLOSE, author, note, clock)


def reopen(engine: Engine, alert: int, author: str, note: str = "", clock: Clock | None = None) -> AlertStatus:
    """Bring a closed, acknowledged or silenced alert back into the inbox. Labels stay. Raises as `acknowledge`."""
    return _take(engine, alert, _REOPEN, author, note, clock)


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
        row = _locked(session, alert)
        now = _stamp(session, row, clock)
        given = Label(alert, Verdict(verdict), _signed(author), cause.strip(), note.strip(), now)
        session.add(
            LabelRow(
                alert_id=alert,
                verdict=given.verdict,
                author=given.author,
                cause=given.cause,
                note=given.note,
                created=given.created,
            )
        )
        row.verdict = given.verdict
        row.status = AlertStatus.ACKNOWLEDGED if given.verdict is Verdict.UNSURE else AlertStatus.CLOSED
        _write_event(session, row, "labelled", author, f"{given.verdict.value}: {cause or note}".rstrip(": "), clock)
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
    """What must not be learned as normal: alerts labelled true, and those that nobody has judged false or put away.

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
                or_(
                    row.verdict == Verdict.TRUE,
                    and_(or_(row.status != AlertStatus.CLOSED, row.silence_id.is_not(None)), undecided),
                ),
            )
            .order_by(row.entity, row.started)
        ).all()
    return _joined([Interval(entity, shifted(start, -margin), shifted(end, margin)) for entity, start, end in found])


def _take(engine: Engine, alert: int, step: _Step, author: str, note: str, clock: Clock | None) -> AlertStatus:
    with transaction(engine) as session:
        row = _locked(session, alert)
        if row.status in step.states:
            row.status = step.to
            _write_event(session, row, step.kind, author, note, clock)
        return row.status


def _joined(intervals: Sequence[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for interval in intervals:
        last = joined[-1] if joined else None
        if last is not None and last.entity == interval.entity and interval.start <= last.end:
            joined[-1] = Interval(last.entity, last.start, max(last.end, interval.end))
        else:
            joined.append(interval)
    return joined


def _locked(session: Session, alert: int) -> AlertRow:
    row = session.get(AlertRow, alert, with_for_update=True)
    if row is None:
        raise NotFound(f"there is no alert {alert}; it may have been deleted by retention, or never have been")
    return row


def _signed(author: str) -> str:
    if not author.strip():
        raise InvalidInput("a verdict needs its author's name; give one")
    return author.strip()


def _stamp(session: Session, row: AlertRow, clock: Clock | None) -> datetime:
    row.updated = (clock or SystemClock()).now()
    return row.updated


def _write_event(session: Session, row: AlertRow, kind: str, author: str, note: str, clock: Clock | None) -> None:
    now = _stamp(session, row, clock)
    session.add(AlertEventRow(alert_id=row.id, kind=kind, author=_signed(author), note=note.strip(), created=now))
