"""Dead letters: which messages could not become records, and why? Has the stream changed its shape?"""

from datetime import timedelta

from fastapi import Request
from markupsafe import Markup
from nicegui import ui

from latentwatch.alerts.reading import dead_letters, message_counts, stream_changes
from latentwatch.domain.record import DeadLetter
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.pages.choosing import chosen
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 10.0
_SIZE = 50
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
    letters = [(letter, preview(letter), created) for letter, created in found.letters]
    changes = stream_changes(room.engine, name, room.clock.now() - _RECENT) if page == 0 else ()
    counts = message_counts(room.engine, name)
    return render("dead.html", name=name, letters=letters, page=page, more=found.more, changes=changes, counts=counts)


def preview(letter: DeadLetter) -> str:
    """The payload's beginning as text; bytes that are none are written as escapes."""
    return letter.payload[:400].decode("utf-8", "backslashreplace")
