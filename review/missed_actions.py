"""What people say on pages of stretches that were abnormal and never alarmed, checked and said back in sentences."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from latentwatch.alerts.missed_stretches import check_stretch_of, label_missed, unlabel_missed
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.monitor import Monitor
from latentwatch.review.actions import Done, author_of
from latentwatch.review.room import Room

_LONGEST_TEXT = 4000


def say_missed(room: Room, monitor: Monitor, entity: str, said: Any) -> Done:
    """Label a stretch of this entity. `said` comes from a browser and is checked."""
    try:
        if not isinstance(said, Mapping):
            raise InvalidInput("nothing was said; give the beginning and the end of the stretch")
        check_stretch_of(monitor, entity)
        made = label_missed(
            room.engine,
            monitor.name,
            entity,
            _moment(said, "start"),
            _moment(said, "end"),
            author=author_of(said),
            cause=str(said.get("cause", ""))[:_LONGEST_TEXT],
            note=str(said.get("note", ""))[:_LONGEST_TEXT],
            clock=room.clock,
        )
    except InvalidInput as error:
        return Done(str(error), refused=True)
    return Done(f"Stretch {made.id} is known as missed: it stays out of training, and the next model is asked for it.")


def forget_missed(room: Room, monitor: Monitor, said: Any) -> Done:
    """Take the word about a stretch back. `said` comes from a browser and is checked."""
    try:
        number = str(said.get("id", "")) if isinstance(said, Mapping) else ""
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise InvalidInput("no stretch is chosen; press one of the buttons of the list")
        unlabel_missed(room.engine, int(number), monitor.name)
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(f"Stretch {number} is learned from again.")


def _moment(said: Mapping[str, Any], name: str) -> datetime:
    text = str(said.get(name, ""))
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("say when it began and when it was over") from None
