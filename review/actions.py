"""What people do on pages, checked and said back in a sentence; the database writes themselves are in `alerts`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from latentwatch.alerts import reviewing
from latentwatch.alerts.database import Engine
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.steps import answer
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.steps import StepAnswer
from latentwatch.review.room import Room

UNNAMED = "unnamed"
_LONGEST_NAME, _LONGEST_TEXT = 100, 4000


def _answer(said: StepAnswer) -> Callable[..., object]:
    """Answering as an action on an alert."""

    def step(engine: Engine, alert: int, author: str, clock: Clock) -> None:
        answer(engine, alert, said, author, clock=clock)

    return step


_STEPS: dict[str, tuple[Callable[..., object], str]] = {
    "accept": (_answer(StepAnswer.ACCEPT), "accepted: this is normal from now on, and the next model learns it."),
    "keep": (_answer(StepAnswer.KEEP), "goes on alarming for as long as it lasts, and is not learned."),
    "acknowledge": (reviewing.acknowledge, "acknowledged."),
    "close": (reviewing.close, "closed without a verdict."),
    "reopen": (reviewing.reopen, "is open again."),
}


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did, or why it did not."""

    sentence: str
    refused: bool = False
    undo: int | None = None
    """The number by which it can be taken back."""


def act(room: Room, said: Any) -> Done:
    """One key or button: acknowledge, close, reopen or a verdict. `said` comes from a browser and is checked."""
    try:
        alert, author = _alert(said), author_of(said)
        what = str(said.get("what", ""))
        if what not in _STEPS:
            return label(room, {**said, "verdict": what})
        step, sentence = _STEPS[what]
        step(room.engine, alert, author, clock=room.clock)
        return Done(f"Alert {alert} {sentence}")
    except InvalidInput as error:
        return Done(str(error), refused=True)


def label(room: Room, said: Any) -> Done:
    """A verdict with cause and note."""
    try:
        alert, author = _alert(said), author_of(said)
        try:
            verdict = Verdict(str(said.get("verdict", "")))
        except ValueError:
            raise InvalidInput("choose true, false alarm or unsure first") from None
        cause, note = (str(said.get(part, ""))[:_LONGEST_TEXT] for part in ("cause", "note"))
        reviewing.label(room.engine, alert, verdict, author, cause, note, clock=room.clock)
    except InvalidInput as error:
        return Done(str(error), refused=True)
    meaning = {
        Verdict.TRUE: "labelled true: it stays out of the next training data.",
        Verdict.FALSE: "labelled a false alarm: it counts against the promise.",
        Verdict.UNSURE: "labelled unsure: it stays for somebody else.",
    }[verdict]
    return Done(f"Alert {alert} {meaning}")


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
