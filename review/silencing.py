"""What people do on the silences page, checked and said back in sentences."""

from collections.abc import Mapping
from typing import Any

from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.silences import add_silence, preview_silence, remove_silence
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.silence import Silence, parse_weekly
from latentwatch.review.actions import UNNAMED, Done, moment_of
from latentwatch.review.room import Room

_LONGEST_NAME, _LONGEST_TEXT = 400, 4000


def silence(room: Room, said: Any) -> Done:
    """Preview a silence or add it. `said` comes from a browser and is checked."""
    try:
        planned = _planned(room, said)
        if said.get("what") != "add":
            return Done(" ".join(preview_silence(room.engine, planned, room.now()).in_words))
        added = add_silence(room.engine, planned, room.clock)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(f"Silence {added.id} is added: {added.in_words}.")


def unsilence(room: Room, said: Any) -> Done:
    """Take a silence back. `said` comes from a browser and is checked."""
    try:
        number = said.get("id") if isinstance(said, Mapping) else None
        if not isinstance(number, str | int) or not str(number).isascii() or not str(number).isdigit():
            raise InvalidInput("no silence is chosen; press one of the buttons of the table")
        taken = remove_silence(room.engine, min(int(str(number)[:18]), 2**62), _text(said, "author", 100) or UNNAMED)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(f"Silence {taken.id} hides nothing more; what it hid stays hidden and listed.")


def _planned(room: Room, said: Any) -> Silence:
    if not isinstance(said, Mapping):
        raise InvalidInput("nothing was filled in; say at least when, and why")
    monitor = registered_monitor(room.engine, _text(said, "monitor", 63))
    weekly = _text(said, "weekly", 100)
    return Silence(
        monitor=monitor.name,
        reason=_text(said, "reason", _LONGEST_TEXT),
        author=_text(said, "author", 100) or UNNAMED,
        entity=_text(said, "entity", _LONGEST_NAME),
        feature=_text(said, "feature", _LONGEST_NAME),
        start=moment_of(_text(said, "start", 40)),
        end=moment_of(_text(said, "end", 40)),
        weekly=parse_weekly(weekly) if weekly else None,
        timezone=monitor.record.timezone,
    )


def _text(said: Mapping[str, Any], name: str, longest: int) -> str:
    return str(said.get(name, "")).strip()[:longest]
