"""What people do with exceptions on pages, checked and said back in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from latentwatch.alerts import reviewing
from latentwatch.alerts.exceptions import StoredException, remove_exception
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.alert import Alert, Verdict
from latentwatch.domain.durations import parse_duration
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.review.actions import UNNAMED, Done
from latentwatch.review.excepting import Proposal, accept, propose
from latentwatch.review.likeness import false_alike
from latentwatch.review.room import Room

LASTING = (("", "for good"), ("1d", "for a day"), ("7d", "for a week"), ("30d", "for 30 days"))
"""How long an exception may be to hold, as the page offers it."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What can be excepted for an alert, or why nothing can."""

    proposals: tuple[Proposal, ...] = ()
    problem: str = ""


def proposed(room: Room, alert: Alert, beside: Sequence[int] = ()) -> Proposed:
    """Exceptions for one alert, and for others beside it, each with what it would have changed in the past."""
    found = proposed_for(room, alert.monitor, [alert.id, *beside])
    if not found.proposals and not found.problem:
        return Proposed(problem="Nothing that could be excepted would cover this alert; label it all the same.")
    return found


def proposed_for(room: Room, name: str, alerts: Sequence[int]) -> Proposed:
    """Exceptions for alerts of a monitor together, each with what it would have changed in the past; none where none would
    cover them."""
    try:
        monitor = registered_monitor(room.engine, name)
        return Proposed(tuple(propose(room.engine, room.bundle_cache.detector, monitor, alerts, room.clock)))
    except (InvalidInput, NotFound) as error:
        return Proposed(problem=str(error))


def proposed_with_alike(room: Room, alert: Alert) -> Proposed:
    """Exceptions for one alert together with those like it that people called false."""
    return proposed(room, alert, false_alike(room.engine, room.likenesses, alert))


def make_exception(room: Room, alert: Alert, said: Any) -> Done:
    """Accept a proposal; an alert without a verdict is a false alarm by that. `said` comes from a browser and is checked."""
    try:
        made = accept_said(room, alert.monitor, said)
        if alert.verdict is None:
            note = f"exception {made.id}: {made.text}"
            reviewing.label(room.engine, alert.id, Verdict.FALSE, made.author, "", note, clock=room.clock)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(excepted_words(made))


def accept_said(room: Room, monitor: str, said: Any) -> StoredException:
    """Accept the proposal that a browser names. Raises InvalidInput, NotFound."""
    if not isinstance(said, Mapping):
        raise InvalidInput("no proposal is chosen; press one of the buttons")
    lasting = _text(said, "lasting", 20)
    return accept(
        room.engine,
        room.bundle_cache.detector,
        monitor,
        _text(said, "proposal", 20),
        author=_text(said, "author", 100) or UNNAMED,
        note=_text(said, "note", 4000),
        until=room.now() + _length(lasting) if lasting else None,
        clock=room.clock,
    )


def excepted_words(made: StoredException) -> str:
    """What was made, in sentences."""
    return f"Exception {made.id} is made: {made.text}. Scorers take it up within seconds."


def take_back(room: Room, said: Any) -> Done:
    """Take an exception back. `said` comes from a browser and is checked."""
    try:
        number = _text(said, "id", 18) if isinstance(said, Mapping) else ""
        if not (number.isascii() and number.isdigit()):
            raise InvalidInput("no exception is chosen; press one of the buttons of the table")
        author = _text(said, "author", 100) or UNNAMED
        gone = remove_exception(room.engine, _text(said, "monitor", 63), int(number), author, room.clock)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(f"Exception {gone.id} is taken back; what it covered alarms again within seconds.")


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def _text(said: Mapping[str, Any], name: str, longest: int) -> str:
    return str(said.get(name, "")).strip()[:longest]
