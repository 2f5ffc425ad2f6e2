"""What people do on pages with incidents, checked and said back in a sentence with a way back."""

from collections.abc import Mapping, Sequence
from typing import Any

from latentwatch.alerts.bulk_review import MOST_AT_ONCE, BulkAction, undo
from latentwatch.alerts.incident_review import alerts_of_incident, put_together, split_off
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.review.actions import Done, author_of, handle
from latentwatch.review.exception_actions import Proposed, accept_said, excepted_words, proposed_for
from latentwatch.review.exception_actions import take_back as take_exception_back
from latentwatch.review.room import Room


def act_on_incidents(room: Room, said: Any) -> Done:
    """One key or button for all alerts of the chosen incidents. `said` comes from a browser and is checked."""
    try:
        incidents, what = _numbers(said), str(said.get("what", ""))
        if what == "merge":
            number = put_together(room.engine, incidents, author_of(said), room.clock)
            return Done(f"{len(incidents)} incidents are one, number {number}.")
        return handle(room, _alerts(room, incidents), what, said)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)


def propose_for_incidents(room: Room, monitor: str, incidents: Sequence[int]) -> Proposed:
    """What could be excepted for the alerts of the chosen incidents together."""
    return proposed_for(room, monitor, _alerts(room, incidents)[:MOST_AT_ONCE])


def except_incidents(room: Room, monitor: str, incidents: Sequence[int], said: Any) -> Done:
    """Accept a proposal for incidents, whose alerts become false alarms. `said` comes from a browser and is checked."""
    try:
        made = accept_said(room, monitor, said)
        note = {**said, "note": f"exception {made.id}: {made.text}"}
        labelled = handle(room, _alerts(room, incidents)[:MOST_AT_ONCE], BulkAction.FALSE, note)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(f"{excepted_words(made)} {labelled.sentence}", undo=labelled.undo, exception=made.id)


def take_back_from_map(room: Room, monitor: str, said: Any) -> Done:
    """Undo what was done last, and an exception that was made by it. `said` comes from a browser and is checked."""
    exception = said.get("exception") if isinstance(said, Mapping) else None
    if not isinstance(exception, int) or isinstance(exception, bool) or not exception:
        return take_back(room, said)
    gone = take_exception_back(room, {**said, "id": str(exception), "monitor": monitor})
    if gone.refused or not said.get("id"):
        return gone
    labels = take_back(room, said)
    return Done(f"{gone.sentence} {labels.sentence}", refused=labels.refused)


def _alerts(room: Room, incidents: Sequence[int]) -> list[int]:
    return [alert for incident in incidents for alert in alerts_of_incident(room.engine, incident)]


def split_incident(room: Room, incident: int, said: Any) -> Done:
    """The chosen alerts of an incident become one of their own. `said` comes from a browser and is checked."""
    try:
        alerts = _numbers(said)
        number = split_off(room.engine, incident, alerts, author_of(said), room.clock)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(f"{len(alerts)} of the alerts are now incident {number}, which later ones do not join.")


def take_back(room: Room, said: Any) -> Done:
    """Undo what was done last. `said` comes from a browser and is checked."""
    try:
        number = said.get("id") if isinstance(said, Mapping) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise InvalidInput("there is nothing to take back")
        done = undo(room.engine, number, author_of(said), room.clock)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    noun = "1 alert is" if len(done.changed) == 1 else f"{len(done.changed)} alerts are"
    return Done(f"Taken back: {noun} as before.")


def _numbers(said: Any) -> list[int]:
    numbers = said.get("ids") if isinstance(said, Mapping) else None
    if (
        not isinstance(numbers, list)
        or not numbers
        or any(not isinstance(number, int) or isinstance(number, bool) for number in numbers)
    ):
        raise InvalidInput("nothing is chosen; move to a row with j or k, or choose rows with x")
    return sorted(set(numbers))[:500]
