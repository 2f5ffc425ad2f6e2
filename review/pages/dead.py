"""Dead letters: which messages could not become records, which values could not be read, and why? Has the stream changed its
shape?"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from fastapi import Request
from markupsafe import Markup
from nicegui import ui

from latentwatch.alerts.reading import dead_letters, message_counts, stream_changes
from latentwatch.alerts.unread_values import unread_fields
from latentwatch.domain.record import DeadLetter
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.pages.choosing import chosen
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 10.0
_SIZE = 200
_QUOTED = re.compile(r" \(.*\)|; it begins with .*|\d+")
"""What differs between reasons of one kind: what they quote, and numbers."""
_RECENT = timedelta(days=7)


@page_at("/dead-letters/{name}")
async def dead_letters_page(request: Request, name: str, page: int = 0) -> None:
    """One monitor's dead letters."""
    room = room_of(request)
    with frame(room, f"{name} dead letters", "", name) as queries:
        if await chosen(room, queries, "dead-letters", name) is None:
            return
        body = fragment()

        async def refresh() -> None:
            content = await queries.ask(dead_markup, room, name, max(0, min(page, 200)))
            if content is not None:
                show(body, content)

        await refresh()
        ui.timer(_SECONDS, refresh, immediate=False)


def dead_markup(room: Room, name: str, page: int) -> Markup:
    """A page of dead letters."""
    found = dead_letters(room.engine, name, page * _SIZE, _SIZE)
    changes = stream_changes(room.engine, name, room.clock.now() - _RECENT) if page == 0 else ()
    unread = unread_fields(room.engine, name) if page == 0 else ()
    counts = message_counts(room.engine, name)
    return render(
        "dead.html",
        name=name,
        kinds=kinds_of(found.letters),
        page=page,
        more=found.more,
        changes=changes,
        unread=unread,
        counts=counts,
    )


class ShownLetter(NamedTuple):
    """A dead letter as the page shows it."""

    letter: DeadLetter
    payload: str
    """Its beginning."""
    created: datetime


def kinds_of(letters: Iterable[tuple[DeadLetter, datetime]]) -> list[list[ShownLetter]]:
    """Letters of one kind together, so that one cause is one line: in the order of each kind's first."""
    kinds: dict[str, list[ShownLetter]] = {}
    for letter, created in letters:
        shown = ShownLetter(letter, preview(letter), created)
        kinds.setdefault(_QUOTED.sub("", letter.reason), []).append(shown)
    return list(kinds.values())


def preview(letter: DeadLetter) -> str:
    """The payload's beginning as text; bytes that are none are written as escapes."""
    return letter.payload[:400].decode("utf-8", "backslashreplace")
