"""Lasting changes in the database: asked in the transaction of the record that asks, answered by people, kept from training.

An answer acts through exceptions: accepting makes one for each feature that moved, and keeping makes one that says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, Select, and_, insert, or_, select, update
from sqlalchemy.orm import Session

from latentwatch.alerts.exceptions import add_exception
from latentwatch.alerts.grouping import Episode, shifted
from latentwatch.alerts.outbox import channels_of, new_message, subject_of, titled
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.step_table import StepRow
from latentwatch.alerts.tables import AlertEventRow, AlertRow, EntityRow, NotificationRow
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.alert import AlertStatus, FlaggedRecord, Severity, Verdict
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.exceptions import Form, KeepsAlarming, NormalLevel
from latentwatch.domain.steps import LastingChange, StepAnswer

_MOST_READ = 2_000
LASTS = timedelta(days=8)
"""After it was asked about a change is taken to go on for so long: it is asked about again each week."""


_WHY = {StepAnswer.ACCEPT: "new normal", StepAnswer.KEEP: "no new normal"}


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that keeps a stretch out of training."""

    alert: int
    entity: str
    step: LastingChange

    @property
    def in_words(self) -> str:
        """A sentence for people."""
        who = f"{self.entity}: " if self.entity else ""
        return f"{who}{self.step.in_words} Nobody has answered alert {self.alert}, so nothing of it is learned."


def ask(
    connection: Connection,
    monitor: str,
    records: Sequence[FlaggedRecord],
    episodes: Sequence[Episode],
    now: datetime,
) -> None:
    """Write down the questions that records ask, each in its alert, and tell people, again each time that one is asked."""
    asking = [(record, episode) for record, episode in zip(records, episodes, strict=True) if record.grounds.step]
    if not asking:
        return
    channels = channels_of(connection, monitor)
    for record, episode in asking:
        step, alert = record.grounds.step, episode.id
        assert step is not None
        assert alert is not None
        told = {"asked": step.asked, "step": step.to_json(), "answer": StepAnswer.ACCEPT if step.accepted else None}
        known = connection.execute(update(StepRow).where(StepRow.alert_id == alert).values(told))
        if not known.rowcount:
            row = {"alert_id": alert, "monitor": monitor, "entity": episode.entity, "since": step.since}
            connection.execute(insert(StepRow).values(**row, **told, answered=None))
        if step.accepted:
            connection.execute(update(AlertRow).where(AlertRow.id == alert).values(status=AlertStatus.CLOSED))
        kind = "accepted" if step.accepted else "asked"
        event = {"alert_id": alert, "kind": kind, "author": "", "note": step.in_words, "created": now}
        connection.execute(insert(AlertEventRow).values(event))
        title = f"{subject_of(monitor, episode.entity)}: new normal{'' if step.accepted else '?'}"
        until = (
            "the next model learns them"
            if step.accepted
            else "not learned until somebody accepts it or keeps it alarming"
        )
        body = f"Alert {alert}. {step.in_words} Such records are no longer flagged, and {until}."
        messages = [
            {
                **new_message(monitor, alert, f"alert-{monitor}-{record.position}-asks-{channel}", channel, now),
                **titled(Severity.MEDIUM, title),
                "body": body,
            }
            for channel in ([] if episode.untold else channels)
        ]
        insert_new(connection, NotificationRow, messages)


def waiting_alerts(connection: Connection, monitor: str, entities: Sequence[str]) -> list[int]:
    """The alerts of these entities whose question nobody has answered."""
    row = StepRow
    found = connection.scalars(
        select(row.alert_id)
        .join(AlertRow, AlertRow.id == row.alert_id)
        .where(
            row.monitor == monitor,
            row.entity.in_(sorted(set(entities))),
            row.answer.is_(None),
            or_(AlertRow.status != AlertStatus.CLOSED, AlertRow.verdict.is_not(None)),
        )
    )
    return sorted(found)


def answer(
    engine: Engine, alert: int, said: StepAnswer, author: str, note: str = "", clock: Clock | None = None
) -> StepAnswer:
    """Answer an alert's question; scorers take it up within seconds. The same answer again changes nothing.

    Accepted, the features that moved are read by their new level as normal, and the stretch is learned; the alert closes.
    Kept, such records are flagged again from the entity's newest on. Raises NotFound; InvalidInput where the alert asks
    nothing, was answered otherwise, or nobody signs; Unavailable.
    """
    if not author.strip():
        raise InvalidInput("an answer needs its author's name; give one")
    with reading(engine) as session:
        row = _question(session, alert)
        if row.answer is not None:
            if row.answer is said:
                return said
            raise InvalidInput(
                f"alert {alert} was answered {row.answer.value!r} before; 'latentwatch exceptions list {row.monitor}' shows"
                " what that made, and can take it back"
            )
        monitor, forms = row.monitor, _forms(session, row, said)
    for form in forms:
        add_exception(engine, monitor, form, author=author, note=note or _WHY[said], alerts=[alert], clock=clock)
    with transaction(engine) as session:
        row, now = _question(session, alert), (clock or SystemClock()).now()
        row.answer, row.answered = said, now
        if said is StepAnswer.ACCEPT:
            session.execute(update(AlertRow).where(AlertRow.id == alert).values(status=AlertStatus.CLOSED, updated=now))
        kind = "accepted" if said is StepAnswer.ACCEPT else "kept"
        session.add(AlertEventRow(alert_id=alert, kind=kind, author=author.strip(), note=note.strip(), created=now))
    return said


def _question(session: Session, alert: int) -> StepRow:
    row = session.get(StepRow, alert)
    if row is not None:
        return row
    if session.get(AlertRow, alert) is None:
        raise NotFound(f"there is no alert {alert}; it may have been deleted by retention, or never have been")
    raise InvalidInput(f"alert {alert} does not ask whether something is the new normal; label it true or false")


def _forms(session: Session, row: StepRow, said: StepAnswer) -> list[Form]:
    """The exceptions that an answer makes."""
    step, entity = LastingChange.from_json(row.step), row.entity or None
    if said is StepAnswer.KEEP:
        last = session.scalar(
            select(EntityRow.last_time).where(EntityRow.monitor == row.monitor, EntityRow.entity == row.entity)
        )
        return [KeepsAlarming(entity=entity, since=max(step.asked, last or step.asked))]
    return [
        NormalLevel(entity=entity, feature=each.feature, shift=each.now - each.before, since=step.since)
        for each in step.moved
        if each.now != each.before
    ]


def steps_of(
    session: Session, alerts: Sequence[int] | Select[int]
) -> dict[int, tuple[LastingChange, StepAnswer | None]]:
    """The questions of these alerts, of those that ask one, and their answers; `alerts` may be a query for their numbers."""
    rows = session.scalars(select(StepRow).where(StepRow.alert_id.in_(alerts)).limit(_MOST_READ))
    return {row.alert_id: (LastingChange.from_json(row.step), row.answer) for row in rows}


def unanswered(engine: Engine, monitor: str) -> list[Unanswered]:
    """A monitor's questions that nobody has answered or put away, by entity. Raises Unavailable."""
    row = StepRow
    with reading(engine) as session:
        found = session.scalars(
            select(row)
            .join(AlertRow, AlertRow.id == row.alert_id)
            .where(row.monitor == monitor, row.answer.is_(None), AlertRow.status != AlertStatus.CLOSED)
            .order_by(row.entity, row.alert_id)
        )
        return [Unanswered(each.alert_id, each.entity, LastingChange.from_json(each.step)) for each in found]


def stretches_kept_out(session: Session, monitor: str) -> list[tuple[str, datetime, datetime]]:
    """Entity, start and end of changes that must not be learned: not accepted, and not labelled false or put away."""
    row = StepRow
    undecided = or_(AlertRow.verdict.is_(None), AlertRow.verdict == Verdict.UNSURE)
    found = session.execute(
        select(row.entity, row.since, row.asked)
        .join(AlertRow, AlertRow.id == row.alert_id)
        .where(
            row.monitor == monitor,
            or_(row.answer.is_(None), row.answer == StepAnswer.KEEP),
            or_(AlertRow.verdict == Verdict.TRUE, and_(AlertRow.status != AlertStatus.CLOSED, undecided)),
        )
    )
    return [(entity, since, shifted(asked, LASTS)) for entity, since, asked in found]
