"""Overview: is anything wrong now, and does the promise hold?"""

from fastapi import Request
from markupsafe import Markup
from nicegui import ui

from latentwatch.alerts.reading import open_incidents
from latentwatch.alerts.reading.overview import SPARK_MINUTES
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.room import Room, room_of
from latentwatch.review.spark import spark
from latentwatch.review.state import MonitorState, Word, monitor_states
from latentwatch.review.templating import render

_SECONDS = 3.0


@page_at("/")
async def overview_page(request: Request) -> None:
    """One row per monitor, worst first."""
    room = room_of(request)
    with frame(room, "Overview", "/") as queries:
        table = fragment()

        async def refresh() -> None:
            content = await queries.ask(overview_markup, room)
            if content is not None:
                show(table, content)

        await refresh()
        ui.timer(_SECONDS, refresh, immediate=False)


def overview_markup(room: Room) -> Markup:
    """The overview's table."""
    states = monitor_states(room)
    headline, detail = _headline(states, open_incidents(room.engine))
    return render(
        "overview.html",
        states=states,
        headline=headline,
        detail=detail,
        now=room.now(),
        sparks={state.facts.monitor.name: spark(state.facts.spark, SPARK_MINUTES) for state in states},
    )


def _headline(states: list[MonitorState], waiting: int) -> tuple[str, str]:
    if not states:
        return "Nothing is watched yet", ""
    wrong = [
        state for state in states if state.word in (Word.STALE, Word.BROKEN, Word.STOPPED_SENDING, Word.MISSED_RUN)
    ]
    monitors = "1 monitor" if len(states) == 1 else f"{len(states)} monitors"
    detail = f"{monitors}, {waiting:,} open incidents" if waiting != 1 else f"{monitors}, 1 open incident"
    if wrong:
        names = ", ".join(f"{state.facts.monitor.name}: {state.word.value}" for state in wrong[:3])
        return names + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""), detail
    if waiting:
        return f"{waiting:,} incidents wait for you" if waiting != 1 else "1 incident waits for you", monitors
    return "Nothing is wrong", detail
