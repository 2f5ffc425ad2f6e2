"""Labels: how many alerts were real, by week, reviewer and cause, and about which do people disagree?"""

from fastapi import Request
from markupsafe import Markup
from nicegui import ui

from latentwatch.alerts.reading.precision import WEEKS, precision
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.monitors import monitor_names
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 30.0
_ADDRESS = "/labels"


@page_at(_ADDRESS)
async def labels_page(request: Request, monitor: str = "") -> None:
    """Of one monitor, or of all."""
    room, monitor = room_of(request), monitor[:63]
    with frame(room, "Labels", "/alerts") as queries:
        body = fragment()

        async def refresh() -> None:
            content = await queries.ask(labels_markup, room, monitor)
            if content is not None:
                show(body, content)

        await refresh()
        ui.timer(_SECONDS, refresh, immediate=False)


def labels_markup(room: Room, monitor: str = "") -> Markup:
    """What labels say of the last weeks' alerts."""
    found = precision(room.engine, room.now(), monitor or None)
    with_alerts = [place for place, week in enumerate(found.weeks) if week.alerts]
    return render(
        "labels.html",
        found=found,
        monitor=monitor,
        monitors=monitor_names(room),
        weeks=WEEKS,
        weeks_shown=found.weeks[: 1 + max(with_alerts, default=0)],
    )
