"""What people do with many alerts at once: all or nothing, and with one step back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from latentwatch.alerts.announcing import announce_acknowledged
from latentwatch.alerts.bulk_actions_table import BulkActionRow
from latentwatch.alerts.reviewing import (
    ACKNOWLEDGE,
    CLOSE,
    REOPEN,
    assign_locked,
    label_locked,
    locked_alert,
    signed,
    snooze_locked,
    take_step,
    write_event,
)
from latentwatch.alerts.session import transaction
from latentwatch.alerts.tables import AlertRow
from latentwatch.domain.alert import AlertStatus, Verdict
from latentwatch.domain.clock import Clock, stopped
from latentwatch.domain.errors import InvalidInput, NotFound

MOST_AT_ONCE = 500


class BulkAction(StrEnum):
    """What can be done to many alerts at once."""

    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    REOPEN = "reopen"
    SNOOZE = "snooze"
    ASSIGN = "assign"
    COMMENT = "comment"
    """A note in the history, which cannot be taken back."""
    TRUE = "true"
    FALSE = "false"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class BulkDone:
    """What came of it."""

    id: int | None
    """By which it is undone; None where nothing changed that can be, as by a comment."""
    changed: tuple[int, ...]
    """The alerts that are other than they were; those that were so already are left out."""


@dataclass(frozen=True, slots=True)
class Said:
    """What goes with an action."""

    author: str
    cause: str = ""
    """Of a label."""
    note: str = ""
    """The text of a comment; of any other action, why."""
    until: datetime | None = None
    """Of snoozing; None is until it is over."""
    assignee: str = ""
    """Of assigning; empty for nobody."""


def unchanged(action: BulkAction, said: Said) -> str:
    """Why an action changed nothing, in a clause.

    >>> unchanged(BulkAction.SNOOZE, Said("Ada")), unchanged(BulkAction.CLOSE, Said("Ada"))
    ('it is over already, or closed: there is no end to wait for', 'it is closed already')
    """
    if action is BulkAction.SNOOZE and said.until is None:
        return "it is over already, or closed: there is no end to wait for"
    return {
        BulkAction.ACKNOWLEDGE: "it is acknowledged already, or closed",
        BulkAction.CLOSE: "it is closed already",
        BulkAction.REOPEN: "it is open already",
        BulkAction.SNOOZE: "it is closed, or snoozed until then already",
        BulkAction.ASSIGN: f"it is in the care of {said.assignee or 'nobody'} already",
    }.get(action, "it is so already")


_STEPS = {BulkAction.ACKNOWLEDGE: ACKNOWLEDGE, BulkAction.CLOSE: CLOSE, BulkAction.REOPEN: REOPEN}


def act_on_many(
    engine: Engine,
    alerts: Sequence[int],
    action: BulkAction,
    said: Said,
    clock: Clock | None = None,
) -> BulkDone:
    """Do one thing to up to MOST_AT_ONCE alerts, in one transaction.

    Raises NotFound where there is no alert of one of the numbers, InvalidInput for none, too many, no author, an empty
    comment or a time that has passed, Unavailable; nothing is done then.
    """
    wanted = sorted(set(alerts))
    if not wanted:
        raise InvalidInput("no alert is chosen; name at least one")
    if len(wanted) > MOST_AT_ONCE:
        raise InvalidInput(
            f"{len(wanted):,} alerts at once are too many; narrow the filter to {MOST_AT_ONCE} or do it in parts"
        )
    clock = stopped(clock)  # one action is one moment in every history
    now = clock.now()
    with transaction(engine) as session:
        before: list[dict[str, Any]] = []
        for alert in wanted:
            row = locked_alert(session, alert)
            was = _standing(row)
            if _act(session, row, action, said, clock):
                since = {f"{name}_since": value for name, value in _standing(row).items()}
                before.append({"alert": alert} | was | since)
        if action is BulkAction.COMMENT:
            return BulkDone(None, tuple(wanted))
        done = BulkActionRow(action=action.value, author=signed(said.author), before=before, created=now, undone=None)
        session.add(done)
        session.flush()
        if action is BulkAction.ACKNOWLEDGE and before:
            changed = [each["alert"] for each in before]
            announce_acknowledged(session.connection(), changed, signed(said.author), now)
        return BulkDone(done.id, tuple(each["alert"] for each in before))


def undo(engine: Engine, action: int, author: str, clock: Clock | None = None) -> BulkDone:
    """Give alerts the status, the verdict and the assignee that they had before an action on many, once.

    Labels are never erased: a label that is taken back stays in the history, and the alert is judged as it was before it.
    An alert that somebody has changed since stays as it is. Raises NotFound, InvalidInput where it is undone already,
    Unavailable.
    """
    clock = stopped(clock)
    with transaction(engine) as session:
        done = session.get(BulkActionRow, action, with_for_update=True)
        if done is None:
            raise NotFound(f"there is no action {action} on many alerts")
        if done.undone is not None:
            raise InvalidInput(f"action {action} is undone already")
        done.undone = clock.now()
        changed = []
        rows = session.scalars(
            select(AlertRow)
            .where(AlertRow.id.in_([each["alert"] for each in done.before]))
            .order_by(AlertRow.id)
            .with_for_update()
        )
        here = {row.id: row for row in rows}
        for each in done.before:
            row = here.get(each["alert"])
            if row is None or any(each.get(f"{name}_since", value) != value for name, value in _standing(row).items()):
                continue
            _restore(row, each)
            write_event(session, row, "undone", author, f"{done.action} by {done.author} was taken back", clock)
            changed.append(row.id)
        return BulkDone(action, tuple(changed))


def _standing(row: AlertRow) -> dict[str, Any]:
    """What an action changes of an alert, as JSON."""
    return {
        "status": row.status.value,
        "verdict": row.verdict and row.verdict.value,
        "assignee": row.assignee,
        "snoozed_until": row.snoozed_until and row.snoozed_until.isoformat(),
    }


def _restore(row: AlertRow, before: Mapping[str, Any]) -> None:
    """Let an alert stand as `_standing` said; actions of former releases say nothing of assignee and snooze."""
    row.status = AlertStatus(before["status"])
    row.verdict = None if before["verdict"] is None else Verdict(before["verdict"])
    row.assignee = before.get("assignee", row.assignee)
    until = before.get("snoozed_until")
    row.snoozed_until = None if until is None else datetime.fromisoformat(until)


def _act(session: Session, row: AlertRow, action: BulkAction, said: Said, clock: Clock) -> bool:
    author, note = said.author, said.note
    step = _STEPS.get(action)
    if step is not None:
        return take_step(session, row, step, author, note, clock)
    if action is BulkAction.SNOOZE:
        return snooze_locked(session, row, said.until, author, note, clock)
    if action is BulkAction.ASSIGN:
        return assign_locked(session, row, said.assignee.strip(), author, note, clock)
    if action is BulkAction.COMMENT:
        if not note.strip():
            raise InvalidInput("the comment is empty; write something")
        write_event(session, row, "commented", author, note, clock)
        return True
    label_locked(session, row, Verdict(action.value), author, said.cause, note, clock)
    return True
