"""Exceptions: what do people say is normal, until when, and what came under it since?"""

from fastapi import Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.exceptions import exceptions
from latentwatch.alerts.monitors import monitors
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.exception_facts import needless
from latentwatch.review.exception_actions import take_back
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.pages.inbox import said_markup
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 10.0


@page_at("/exceptions")
async def exceptions_page(request: Request, removed: int = 0) -> None:
    """Every monitor's exceptions."""
    room = room_of(request)
    with frame(room, "Exceptions", "/alerts") as queries:
        table = fragment()
        said = fragment('<p class="said" role="status"></p>')

        async def refresh() -> None:
            content = await queries.ask(exceptions_markup, room, bool(removed))
            if content is not None:
                show(table, content)

        async def taken_back(event: events.GenericEventArguments) -> None:
            done = await queries.ask(take_back, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        await refresh()
        ui.on("unexcept", taken_back)
        ui.timer(_SECONDS, refresh, immediate=False)


def exceptions_markup(room: Room, removed: bool) -> Markup:
    """The list of exceptions, by monitor."""
    registry = ModelRegistry(room.engine)
    found, unneeded = [], set()
    for monitor in monitors(room.engine):
        mine = exceptions(room.engine, monitor.name, removed=removed)
        found += mine
        champion = registry.champion(monitor.name) if mine else None
        unneeded |= needless(champion.evaluation) if champion is not None else set()
    return render("exceptions.html", exceptions=found, needless=unneeded, now=room.now(), removed=removed)
