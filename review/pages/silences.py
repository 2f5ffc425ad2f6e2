"""Silences: during what planned work is nobody told, until when, and what did that hide?"""

from fastapi import Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.monitors import monitors
from latentwatch.alerts.silences import listed_silences
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.pages.inbox import said_markup
from latentwatch.review.room import Room, room_of
from latentwatch.review.silencing import silence, unsilence
from latentwatch.review.templating import render

_SECONDS = 10.0


@page_at("/silences")
async def silences_page(request: Request, monitor: str = "", entity: str = "", finished: int = 0) -> None:
    """Every monitor's silences, and a form for another."""
    room = room_of(request)
    with frame(room, "Silences", "/alerts") as queries:
        table = fragment()
        said = fragment('<p class="said" role="status"></p>')
        form = fragment()

        async def refresh() -> None:
            content = await queries.ask(silences_markup, room, bool(finished))
            if content is not None:
                show(table, content)

        async def planned(event: events.GenericEventArguments) -> None:
            done = await queries.ask(silence, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        async def taken_back(event: events.GenericEventArguments) -> None:
            done = await queries.ask(unsilence, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        known = await queries.ask(monitors, room.engine) or []
        if known:
            show(form, render("silence_form.html", monitors=known, monitor=monitor[:63], entity=entity[:400]))
        await refresh()
        ui.on("silence", planned)
        ui.on("unsilence", taken_back)
        ui.timer(_SECONDS, refresh, immediate=False)


def silences_markup(room: Room, finished: bool) -> Markup:
    """The list of silences."""
    found = listed_silences(room.engine, room.now(), finished=finished)
    return render("silences.html", silences=found, finished=finished)
