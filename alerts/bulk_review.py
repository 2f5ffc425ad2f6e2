"""What people do with many alerts at once: all or nothing, and with one step back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from latentwatch.alerts.bulk_actions_table import BulkActionRow
from latentwatch.alerts.reviewing import (
    ACKNOWLEDGE,
    CLOSE,
    REOPEN,
    label_locked,
    locked_alert,
    signed,
    take_step,
    write_event,
)
from latentwatch.alerts.session import transaction
from latentwatch.alerts.tables import AlertRow
from latentwatch.domain.alert import AlertStatus, Verdict
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, NotFound

MOST_AT_ONCE = 500


class BulkAction(StrEnum):
    """What can be done to many alerts at once."""

    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    REOPEN = "reopen"
    TRUE = "true"
    FALSE = "false"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class BulkDone:
    """What came of it."""

    id: int
    """By which it is undone."""
    changed: tuple[int, ...]
    """The alerts that are other than they were; those that were so already are left out."""


_STEPS = {BulkAction.ACKNOWLEDGE: ACKNOWLEDGE, BulkAction.CLOSE: CLOSE, BulkAction.REOPEN: REOPEN}


def act_on_many(
    engine: Engine,
    alerts: Sequence[int],
    action: BulkAction,
    author: str,
    cause: str = "",
    note: str = "",
    clock: Clock | None = None,
) -> BulkDone:
    """Do one thing to up to MOST_AT_ONCE alerts, in one transaction.

    Raises NotFound where there is no alert of one of the numbers, InvalidInput for none, too many or no author,
    Unavailable; nothing is done then.
    """
    wanted = sorted(set(alerts))
    if not wanted:
        raise InvalidInput("no alert is chosen; name at least one")
    if len(wanted) > MOST_AT_ONCE:
        raise InvalidInput(
            f"{len(wanted):,} alerts at once are too many; narrow the filter to {MOST_AT_ONCE} or do it in parts"
        )
    with transaction(engine) as session:
        before: list[dict[str, Any]] = []
        for alert in wanted:
            row = locked_alert(session, alert)
            was: dict[str, Any] = {
                "alert": alert,
                "status": row.status.value,
                "verdict": row.verdict and row.verdict.value,
            }
            if not _act(session, row, action, author, cause, note, clock):
                continue
            before.append(was | {"status_since": row.status.value, "verdict_since": row.verdict and row.verdict.value})
        done = BulkActionRow(
            action=action.value,
            author=signed(author),
            before=before,
            created=(clock or SystemClock()).now(),
            undone=None,
        )
        session.add(done)
        session.flush()
        return BulkDone(done.id, tuple(each["alert"] for each in before))


def undo(engine: Engine, action: int, author: str, clock: Clock | None = None) -> BulkDone:
    """Give alerts the status and the verdict that they had before an action on many, once.

    Labels are never erased: a label that is taken back stays in the history, and the alert is judged as it was before it.
    An alert that somebody has changed since stays as it is. Raises NotFound, InvalidInput where it is undone already,
    Unavailable.
    """
    with transaction(engine) as session:
        done = session.get(BulkActionRow, action, with_for_update=True)
        if done is None:
            raise NotFound(f"there is no action {action} on many alerts")
        if done.undone is not None:
            raise InvalidInput(f"action {action} is undone already")
        done.undone = (clock or SystemClock()).now()
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
            since = (each["status_since"], each["verdict_since"])
            if row is None or (row.status.value, row.verdict and row.verdict.value) != since:
                continue
            row.status = AlertStatus(each["status"])
            row.verdict = None if each["verdict"] is None else Verdict(each["verdict"])
            write_event(session, row, "undone", author, f"{done.action} by {done.author} was taken back", clock)
            changed.append(row.id)
        return BulkDone(action, tuple(changed))


def _act(
    session: Session, row: AlertRow, action: BulkAction, author: str, cause: str, note: str, clock: Clock | None
) -> bool:
    step = _STEPS.get(action)
    if step is not None:
        return take_step(session, row, step, author, note, clock)
    label_locked(session, row, Verdict(action.value), author, cause, note, clock)
    return True
