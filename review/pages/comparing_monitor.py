"""Within one monitor: how do two entities differ when all is well, and what would another model version have raised?"""

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Query, Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.reading import entities
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.domain.errors import BundleRefused, InvalidInput, NotFound
from latentwatch.review.comparing import Moment
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.normals import compare_normals
from latentwatch.review.pages.choosing import chosen
from latentwatch.review.pages.comparing import HEIGHT, Panel, paths_of
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render
from latentwatch.review.versions_compared import VersionsCompared, compare_versions

_MOST_CHOICES = 100

Name = Annotated[str, Query(max_length=500)]
Version = Annotated[int | None, Query(ge=1, lt=2**31)]
AlertNumber = Annotated[int | None, Query(ge=1, lt=2**63)]


@page_at("/normals/{name}")
async def normals_page(request: Request, name: str, first: Name = "", second: Name = "") -> None:
    """Two entities of a monitor."""
    room = room_of(request)
    with frame(room, f"{name}: two entities", "/live", name) as queries:
        if await chosen(room, queries, "normals", name) is None:
            return
        body = fragment()

        async def refresh(first: str, second: str) -> None:
            content = await queries.ask(normals_markup, room, name, first, second)
            if content is not None:
                show(body, content)

        async def chosen_anew(event: events.GenericEventArguments) -> None:
            said = _said(event.args)
            await refresh(said.get("first", "")[:500], said.get("second", "")[:500])

        await refresh(first, second)
        ui.on("filters", chosen_anew)


@page_at("/versions/{name}")
async def versions_page(
    request: Request,
    name: str,
    first: Version = None,
    second: Version = None,
    alert: AlertNumber = None,
    entity: Name = "",
) -> None:
    """Two model versions of a monitor on the same records."""
    room = room_of(request)
    with frame(room, f"{name}: two versions", "/models", name) as queries:
        if await chosen(room, queries, "versions", name) is None:
            return
        body = fragment()

        async def refresh(first: int | None, second: int | None, entity: str) -> None:
            content = await queries.ask(versions_markup, room, name, (first, second), alert, entity)
            if content is not None:
                show(body, content)

        async def chosen_anew(event: events.GenericEventArguments) -> None:
            said = _said(event.args)
            await refresh(_version(said.get("first")), _version(said.get("second")), said.get("entity", "")[:500])

        await refresh(first, second, entity)
        ui.on("filters", chosen_anew)


def _said(query: Any) -> dict[str, str]:
    """What a browser says is chosen; it is checked where it is used."""
    return dict(parse_qsl(str(query)[:4000]))


def _version(said: str | None) -> int | None:
    return int(said) if said and said.isascii() and said.isdigit() and len(said) < 10 else None


def normals_markup(room: Room, name: str, first: str, second: str) -> Markup:
    """The page's body; without two entities those first by name."""
    known = [each.entity for each in entities(room.engine, name, _MOST_CHOICES)]
    first = first or next((each for each in known if each != second), "")
    second = second or next((each for each in known if each != first), "")
    found, problem = None, "It takes two entities; this monitor has had records of one at most."
    if first and second:
        try:
            found = compare_normals(room.engine, name, first, second)
        except (InvalidInput, NotFound) as error:
            problem = str(error)
    names = list(dict.fromkeys([*known, *filter(None, (first, second))]))
    return render("normals.html", name=name, found=found, problem=problem, names=names, chosen=(first, second))


def versions_markup(
    room: Room, name: str, versions: tuple[int | None, int | None], alert: int | None, entity: str
) -> Markup:
    """The page's body; without two versions the one that serves and the latest other one, without a stretch the first entity's."""
    registry = ModelRegistry(room.engine)
    numbers = [each.version for each in registry.versions(name, _MOST_CHOICES)]
    champion = registry.champion(name)
    first = versions[0] or (champion.version if champion else next(iter(numbers), None))
    second = versions[1] or next((each for each in numbers if each != first), None)
    known = [each.entity for each in entities(room.engine, name, _MOST_CHOICES)]
    if alert is None and not entity:
        entity = next(iter(known), "")
    found, problem = None, "It takes two versions and records of an entity; this monitor has fewer."
    if first and second and (alert or entity):
        try:
            found = compare_versions(
                room.engine,
                room.bundle_cache.detector,
                name,
                (first, second),
                alert=alert,
                entity=None if alert else entity,
            )
        except (InvalidInput, NotFound, BundleRefused) as error:
            problem = str(error)
    return render(
        "versions.html",
        name=name,
        found=found,
        problem=problem,
        panel=None if found is None or len(found.times) < 2 else surprise_panel(found),
        numbers=list(dict.fromkeys([*numbers, *filter(None, (first, second))])),
        chosen=(first, second),
        names=list(dict.fromkeys([*known, *filter(None, (entity,))])),
        entity=entity,
        alert=alert,
    )


def surprise_panel(found: VersionsCompared) -> Panel:
    """Both surprises, by the threshold of each: from 1 on either alarms."""
    both = (found.first, found.second)
    values = [[value / side.threshold for value in side.surprises] for side in both]
    seconds = [(time - found.times[0]).total_seconds() for time in found.times]
    sides = tuple([Moment(at, value, ()) for at, value in zip(seconds, side, strict=True)] for side in values)
    shown = [value for side in values for value in side]
    low, high = min(shown), max(shown)
    level = HEIGHT * (1 - (1 - low) / max(high - low, 1e-9)) if low <= 1 <= high else None
    return Panel("surprise, by the threshold of each", *paths_of(values, sides, 0.0, seconds[-1]), level=level)
