"""Groups: is the promise kept for every entity, hour and field alike?"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from fastapi import Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.groups import GroupedBy, GroupName
from latentwatch.review.actions import UNNAMED, Done
from latentwatch.review.excepting import accept
from latentwatch.review.exception_actions import take_back
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.group_thresholds import propose_threshold, threshold_in_force
from latentwatch.review.pages.choosing import chosen, lead_to_monitor
from latentwatch.review.pages.inbox import said_markup
from latentwatch.review.room import Room, room_of
from latentwatch.review.segments import segments
from latentwatch.review.templating import render

_SECONDS = 30.0
_MOST_SHOWN = 50
"""Groups of one grouping; the API and the command have all."""
SPANS = (7, 30, 90)

lead_to_monitor("segments", "Groups")


@page_at("/segments/{name}")
async def segments_page(request: Request, name: str, days: int = 30) -> None:
    """One monitor's groups."""
    room = room_of(request)
    days = days if days in SPANS else 30
    with frame(room, f"{name} by group", "/models", name) as queries:
        if await chosen(room, queries, "segments", name) is None:
            return
        said = fragment('<p class="said first" role="status"></p>')
        body = fragment()

        async def refresh() -> None:
            content = await queries.ask(segments_markup, room, name, days)
            if content is not None:
                show(body, content)

        async def given(event: events.GenericEventArguments) -> None:
            done = await queries.ask(give_threshold, room, name, days, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        async def taken_back(event: events.GenericEventArguments) -> None:
            done = await queries.ask(take_back, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        await refresh()
        ui.on("group-threshold", given)
        ui.on("unexcept", taken_back)
        ui.timer(_SECONDS, refresh, immediate=False)


def segments_markup(room: Room, name: str, days: int) -> Markup:
    """The page's body."""
    monitor = registered_monitor(room.engine, name)
    found = segments(room.engine, monitor, room.now(), days)
    groupings = [
        (by, field, list(each))
        for (by, field), each in groupby(found.segments, lambda one: (one.group.by, one.group.field))
    ]
    return render(
        "segments.html",
        name=name,
        found=found,
        days=days,
        spans=SPANS,
        groupings=groupings,
        most=_MOST_SHOWN,
        told=[each for each in found.segments if each.in_words],
        own=threshold_in_force(room.engine, name),
        zone=monitor.record.timezone,
        scale=max([2 * (found.promised or 0), *(each.share for each in found.segments), 1e-9]),
    )


def give_threshold(room: Room, name: str, days: int, said: Any) -> Done:
    """Give a group a threshold of its own. `said` comes from a browser and is checked."""
    try:
        if not isinstance(said, Mapping):
            raise InvalidInput("no group is chosen; press one of the buttons")
        by, field, value = (str(said.get(key, "")).strip()[:500] for key in ("by", "field", "value"))
        if by not in list(GroupedBy):
            raise InvalidInput("no group is chosen; press one of the buttons")
        monitor = registered_monitor(room.engine, name)
        proposal = propose_threshold(room.engine, monitor, GroupName(GroupedBy(by), field, value), days, room.clock)
        author = str(said.get("author", "")).strip()[:100] or UNNAMED
        made = accept(
            room.engine,
            room.bundle_cache.detector,
            name,
            proposal.id,
            author=author,
            note="so that the promise is kept for this group too",
            clock=room.clock,
        )
    except (InvalidInput, NotFound) as error:
        return Done(str(error), refused=True)
    return Done(f"Exception {made.id} is made: {made.text}. Scorers take it up within seconds.")
