"""Compare: are these two the same thing, and if not, how do they differ?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path, Request
from markupsafe import Markup

from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.review.comparing import Comparison, Moment, compare, loudest_alert
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render
from latentwatch.review.words import number

_WIDTH, HEIGHT = 600.0, 90.0

Numbered = Annotated[int, Path(lt=2**63)]


@page_at("/compare/{first:int}/{second:int}")
async def comparing_page(request: Request, first: Numbered, second: Numbered) -> None:
    """Two alerts."""
    await _shown(request, f"Alerts {first} and {second}", comparison_markup, first, second)


@page_at("/compare/incidents/{first:int}/{second:int}")
async def comparing_incidents(request: Request, first: Numbered, second: Numbered) -> None:
    """Two incidents, by the strangest alert of each."""
    await _shown(request, f"Incidents {first} and {second}", incidents_markup, first, second)


async def _shown(
    request: Request, title: str, markup: Callable[[Room, int, int], Markup], first: int, second: int
) -> None:
    room = room_of(request)
    with frame(room, title, "/alerts") as queries:
        body = fragment()
        content = await queries.ask(markup, room, first, second)
        if content is not None:
            show(body, content)


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity of both alerts over the time from onset, as paths in a box of 600 by 90."""

    name: str
    paths: tuple[str, str]
    low: str
    high: str
    onset: float
    """Where the first flagged record lies, from the left."""
    level: float | None = None
    """Where a line across lies, from the top."""


def comparison_markup(room: Room, first: int, second: int) -> Markup:
    """The page's body, also of alerts that there are not."""
    try:
        found = compare(room.engine, first, second)
    except (InvalidInput, NotFound) as error:
        return render("empty.html", what=str(error), then="/alerts", word="All alerts")
    return render("comparing.html", found=found, sides=(found.first, found.second), panels=panels(found))


def incidents_markup(room: Room, first: int, second: int) -> Markup:
    """The page's body for two incidents."""
    try:
        alerts = loudest_alert(room.engine, first), loudest_alert(room.engine, second)
    except NotFound as error:
        return render("empty.html", what=str(error), then="/alerts", word="All alerts")
    return comparison_markup(room, *alerts)


def panels(found: Comparison) -> list[Panel]:
    """The surprise, then the loudest numbers."""
    sides = found.first.trace, found.second.trace
    seconds = [moment.seconds for side in sides for moment in side]
    if not seconds:
        return []
    start, end = min(seconds), max(seconds)
    drawn = [Panel("surprise", *paths_of([[moment.surprise for moment in side] for side in sides], sides, start, end))]
    for place, name in enumerate(found.drawn):
        values = [[moment.values[place] for moment in side] for side in sides]
        if any(value is not None for side in values for value in side):
            drawn.append(Panel(name, *paths_of(values, sides, start, end)))
    return drawn


def paths_of(
    values: Sequence[Sequence[float | None]], sides: Sequence[Sequence[Moment]], start: float, end: float
) -> tuple[tuple[str, str], str, str, float]:
    """Each side's values over its moments, drawn from `start` to `end`; the least, the largest, and where 0 seconds lies."""
    shown = [value for side in values for value in side if value is not None]
    low, high = min(shown), max(shown)
    wide, tall = max(end - start, 1e-9), max(high - low, 1e-9)
    paths = []
    for side, own in zip(sides, values, strict=True):
        points = [
            f"{_WIDTH * (moment.seconds - start) / wide:.1f} {HEIGHT * (1 - (value - low) / tall):.1f}"
            for moment, value in zip(side, own, strict=True)
            if value is not None
        ]
        paths.append("M" + "L".join(points) if points else "")
    return (paths[0], paths[1]), number(low), number(high), _WIDTH * (0 - start) / wide
