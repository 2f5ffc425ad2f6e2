"""What people do on pages, checked and said back in a sentence; the database writes themselves are in `alerts`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from latentwatch.alerts.bulk_review import BulkAction, Said, act_on_many, unchanged
from latentwatch.alerts.database import Engine
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.snoozing import said_until
from latentwatch.alerts.steps import answer
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.steps import StepAnswer
from latentwatch.review.room import Room

UNNAMED = "unnamed"
_LONGEST_NAME, _LONGEST_TEXT = 100, 4000


def _answer(said: StepAnswer) -> Callable[..., object]:
    """Answering as an action on an alert."""

    def step(engine: Engine, alert: int, author: str, clock: Clock) -> None:
        answer(engine, alert, said, author, clock=clock)

    return step


_ANSWERS: dict[str, tuple[Callable[..., object], str]] = {
    "accept": (_answer(StepAnswer.ACCEPT), "accepted: this is normal from now on, and the next model learns it."),
    "keep": (_answer(StepAnswer.KEEP), "goes on alarming for as long as it lasts, and is not learned."),
}


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did, or why it did not."""

    sentence: str
    refused: bool = False
    undo: int | None = None
    """The number by which it can be taken back."""
    exception: int | None = None
    """The exception that was made, which is taken back too."""


def act(room: Room, said: Any) -> Done:
    """One key or button on an alert. `said` comes from a browser and is checked."""
    try:
        alert, what = _alert(said), str(said.get("what", ""))
        if what not in _ANSWERS:
            return handle(room, [alert], what, said)
        step, sentence = _ANSWERS[what]
        step(room.engine, alert, author_of(said), clock=room.clock)
        return Done(f"Alert {alert} {sentence}")
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)


def label(room: Room, said: Any) -> Done:
    """A verdict with cause and note."""
    try:
        if not isinstance(said, Mapping) or said.get("verdict") not in set(Verdict):
            raise InvalidInput("choose true, false alarm or unsure first")
        return handle(room, [_alert(said)], str(said["verdict"]), said)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)


def handle(room: Room, alerts: Sequence[int], what: str, said: Mapping[str, Any]) -> Done:
    """Do one thing to alerts, and say what came of it. Raises InvalidInput, NotFound."""
    if what not in set(BulkAction):
        raise InvalidInput("nothing answers to this key; ? shows those that do")
    action = BulkAction(what)
    cause, note = (str(said.get(part, ""))[:_LONGEST_TEXT] for part in ("cause", "note"))
    assignee = str(said.get("assignee", "")).strip()[:_LONGEST_NAME]
    until = moment_of(str(said.get("until", ""))[:40]) if action is BulkAction.SNOOZE else None
    asked = Said(author_of(said), cause, note, until, assignee)
    done = act_on_many(room.engine, alerts, action, asked, room.clock)
    if not done.changed:
        return Done(f"Nothing was changed: {unchanged(action, asked)}.")
    what_alerts = f"Alert {done.changed[0]}" if len(done.changed) == 1 else f"{len(done.changed)} alerts"
    return Done(f"{what_alerts} {_meaning(action, asked)}.", undo=done.id)


def _meaning(action: BulkAction, said: Said) -> str:
    if action is BulkAction.SNOOZE:
        return f"snoozed {said_until(said.until)}, or until critical"
    if action is BulkAction.ASSIGN:
        return f"assigned to {said.assignee or 'nobody'}"
    return {
        BulkAction.ACKNOWLEDGE: "acknowledged",
        BulkAction.CLOSE: "closed without a verdict",
        BulkAction.REOPEN: "open again",
        BulkAction.COMMENT: "commented; a comment stays",
        BulkAction.TRUE: "labelled true: it stays out of the next training data",
        BulkAction.FALSE: "labelled as false alarm: counted against the promise",
        BulkAction.UNSURE: "labelled unsure: it stays for somebody else",
    }[action]


def moment_of(text: str) -> datetime | None:
    """A time as a browser writes it, in UTC; None for nothing."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text!r} is no time; choose one of the calendar") from None


def roll_back(room: Room, monitor: str, author: str) -> Done:
    """Have the former champion serve again."""
    try:
        version = ModelRegistry(room.engine, room.clock).rollback(monitor, f"rolled back by {author or UNNAMED}")
    except InvalidInput as error:
        return Done(str(error), refused=True)
    return Done(f"Version {version.version} serves again; scorers take it up within seconds.")


_CHOICES = {
    "promote": (ModelRegistry.promote, "promoted", "serves; scorers take it up within seconds."),
    "restore": (ModelRegistry.restore, "refusal taken back", "is no longer refused."),
}


def choose_model(room: Room, monitor: str, said: Any) -> Done:
    """Have a version serve, or take its refusal back. `said` comes from a browser and is checked."""
    try:
        what, version = (said.get(part) for part in ("what", "version")) if isinstance(said, Mapping) else (None, None)
        if what not in _CHOICES or not isinstance(version, str | int) or not re.fullmatch(r"\d{1,9}", str(version)):
            raise InvalidInput("no model version is chosen; press one of the buttons of the table")
        step, done, sentence = _CHOICES[what]
        found = step(ModelRegistry(room.engine, room.clock), monitor, int(version), f"{done} by {author_of(said)}")
    except InvalidInput as error:
        return Done(str(error), refused=True)
    return Done(f"Version {found.version} {sentence}")


def _alert(said: Any) -> int:
    if not isinstance(said, Mapping) or not isinstance(said.get("id"), int) or isinstance(said.get("id"), bool):
        raise InvalidInput("no alert is chosen; move to one with j or k")
    return int(said["id"])


def author_of(said: Mapping[str, Any]) -> str:
    """The name that a browser sent, or that there is none."""
    return str(said.get("author", "")).strip()[:_LONGEST_NAME] or UNNAMED
