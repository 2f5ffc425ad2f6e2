"""Pages about one monitor: which one, tabs to the others, and words where there is none."""

from fastapi import Request
from fastapi.responses import RedirectResponse
from nicegui import ui

from latentwatch.alerts.monitors import monitors
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.monitor import Monitor
from latentwatch.review.fragment import PageQueries, fragment
from latentwatch.review.frame import frame, page_at
from latentwatch.review.room import Room, room_of
from latentwatch.review.state import monitor_states
from latentwatch.review.templating import render


async def chosen(room: Room, queries: PageQueries, page: str, name: str) -> Monitor | None:
    """The monitor of that name, with tabs to the others; None after saying why there is nothing to show."""
    known = await queries.ask(monitors, room.engine)
    if known is None:
        ui.timer(2.0, ui.navigate.reload, once=True)
        return None
    fragment(render("tabs.html", names=[monitor.name for monitor in known], page=page, here=name))
    for monitor in known:
        if monitor.name == name:
            return monitor
    what = f"There is no monitor called {name!r}."
    fragment(render("empty.html", what=what, then="/", word="Every monitor there is"))
    return None


def lead_to_monitor(page: str, title: str) -> None:
    """Register the page without a monitor: it leads to the monitor that needs somebody most."""

    @page_at(f"/{page}")
    def lead(request: Request) -> RedirectResponse | None:
        room = room_of(request)
        try:
            states = monitor_states(room)
        except Unavailable:
            states = []
        if states:
            return RedirectResponse(f"/{page}/{states[0].facts.monitor.name}", 307)
        with frame(room, title, f"/{page}"):
            what = "No monitor is registered yet."
            fragment(render("empty.html", title=title, what=what, then="/", word="How to begin"))
        return None
