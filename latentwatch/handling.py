"""What the terminal does with alerts and incidents, through the one action on many alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime

from latentwatch.alerts.bulk_review import BulkAction, BulkDone, Said, act_on_many, unchanged, undo
from latentwatch.alerts.incident_review import alerts_of_incident
from latentwatch.alerts.snoozing import said_until
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.durations import parse_duration
from latentwatch.domain.errors import InvalidInput
from latentwatch.inbox import asked_database, one_of

_UNNAMED = "command line"
_DONE = {
    BulkAction.ACKNOWLEDGE: "acknowledged",
    BulkAction.CLOSE: "closed",
    BulkAction.REOPEN: "open again",
    BulkAction.COMMENT: "commented",
}


def handle(
    noun: str,
    numbers: Sequence[int],
    action: str,
    author: str,
    note: str = "",
    until: str = "",
    assignee: str = "",
    cause: str = "",
) -> str:
    """Do one thing to alerts, or to all alerts of incidents, and say what came of it. Raises InvalidInput, NotFound."""
    engine, word = asked_database(), one_of(BulkAction, action, "action or a verdict")
    alerts = (
        [alert for number in numbers for alert in alerts_of_incident(engine, number)] if noun == "incident" else numbers
    )
    ends = datetime.fromisoformat(until) if until else None
    said = Said(author or _UNNAMED, cause, note, ends, assignee)
    done = act_on_many(engine, alerts, word, said)
    named = f"{noun}{'' if len(set(numbers)) == 1 else 's'} {', '.join(map(str, dict.fromkeys(numbers)))}"
    if not done.changed:
        return f"{named}: nothing was changed: {unchanged(word, said)}"
    count = len(done.changed)
    of = f" ({count} alert{'' if count == 1 else 's'})" if noun == "incident" or count < len(set(numbers)) else ""
    back = f"; 'latentwatch {noun}s undo {done.id}' takes it back" if done.id is not None else ""
    return f"{named}: {_in_words(word, said)}{of}{back}"


def take_back(action: int, author: str) -> BulkDone:
    """Undo an action. Raises InvalidInput, NotFound."""
    return undo(asked_database(), action, author or _UNNAMED)


def ends_of_snooze(length: str, until: str) -> str:
    """The moment at which a snooze ends, in ISO form; empty for once it is over. Raises InvalidInput."""
    if length and until:
        raise InvalidInput("give '--for' or '--until', not both")
    try:
        if length:
            return (SystemClock().now() + parse_duration(length)).isoformat()
        return datetime.fromisoformat(until).astimezone(UTC).isoformat() if until else ""
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"--for: {error}" if length else f"--until: {until!r} is no time; write one such as 2026-03-01T08:00"
        ) from None


def _in_words(action: BulkAction, said: Said) -> str:
    if action is BulkAction.SNOOZE:
        return f"snoozed {said_until(said.until)}, or until critical"
    if action is BulkAction.ASSIGN:
        return f"assigned to {said.assignee or 'nobody'}"
    return _DONE.get(action, f"labelled {action.value}")
