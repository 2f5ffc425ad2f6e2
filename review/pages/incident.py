"""Incident: which entities, in what order, and is it one thing? One label for all its alerts."""

from typing import Annotated

from fastapi import Path, Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.reading import incident_events, incident_of, incident_of_alert
from latentwatch.domain.errors import NotFound
from latentwatch.review.comparing import loudest_alert
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.incident_actions import act_on_incidents, split_incident, take_back
from latentwatch.review.likeness import seen_before
from latentwatch.review.pages.inbox import said_markup
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 5.0


@page_at("/incidents/{number:int}")
async def incident_page(request: Request, number: Annotated[int, Path(lt=2**63)]) -> None:
    """One incident."""
    room = room_of(request)
    with frame(room, f"Incident {number}", "/alerts") as queries:
        body = fragment()
        like = fragment()
        said = fragment('<p class="said" role="status"></p>')
        fragment(render("keys.html"))

        async def refresh() -> None:
            markup = await queries.ask(page_markup, room, number)
            if markup is not None:
                show(body, markup)

        async def acted(event: events.GenericEventArguments) -> None:
            done = await queries.ask(act_on_incidents, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        async def split(event: events.GenericEventArguments) -> None:
            done = await queries.ask(split_incident, room, number, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        async def taken_back(event: events.GenericEventArguments) -> None:
            done = await queries.ask(take_back, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        await refresh()
        found = await queries.ask(like_markup, room, number)
        if found is not None:
            show(like, found)
        ui.on("incident-act", acted)
        ui.on("incident-split", split)
        ui.on("undo", taken_back)
        ui.timer(_SECONDS, refresh, immediate=False)


def like_markup(room: Room, number: int) -> Markup:
    """Which incident of the past was most like this one, and both side by side; nothing where none was."""
    try:
        similar = seen_before(room.engine, room.likenesses, loudest_alert(room.engine, number)).similar
    except NotFound:
        similar = ()
    like = incident_of_alert(room.engine, similar[0].alert.id) if similar else None
    return render("incident_like.html", number=number, like=like)


def page_markup(room: Room, number: int) -> Markup:
    """The page's body, also of an incident that there is not, or not any more."""
    incident = incident_of(room.engine, number)
    if incident is None:
        what = f"There is no incident {number}. It may have joined another one."
        return render("empty.html", what=what, then="/alerts", word="All alerts")
    onsets = [alert.started for alert in incident.alerts]
    return render(
        "incident.html",
        incident=incident,
        events=incident_events(room.engine, number),
        length=max(1.0, (incident.ended - incident.started).total_seconds()),
        spread=(max(onsets) - min(onsets)).total_seconds(),
    )
