"""Models: which model is watching, since when, and why was it let in?"""

from dataclasses import dataclass

from fastapi import Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.heartbeats import Heartbeat, heartbeats
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.reading import Promotion, promotions, surprise_counts
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.drift import BROKEN
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.model import ModelVersion, VersionStatus
from latentwatch.review.actions import choose_model, roll_back
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.pages.choosing import chosen, lead_to_monitor
from latentwatch.review.pages.inbox import said_markup
from latentwatch.review.promise import poisson_interval
from latentwatch.review.room import Room, room_of
from latentwatch.review.state import FRESH
from latentwatch.review.templating import render

_SECONDS = 5.0
_MOST_VERSIONS = 50

lead_to_monitor("models", "Models")


@dataclass(frozen=True, slots=True)
class Level:
    """Of the champion's scores on the stream, how many reached one level, against how many should have."""

    surprise: int
    promised: float
    seen: float
    interval: tuple[float, float]


@page_at("/models/{name}")
async def models_page(request: Request, name: str) -> None:
    """One monitor's model versions."""
    room = room_of(request)
    with frame(room, f"{name} models", "/models", name) as queries:
        monitor = await chosen(room, queries, "models", name)
        if monitor is None:
            return
        said = fragment('<p class="said first" role="status"></p>')
        body = fragment()

        async def refresh() -> None:
            content = await queries.ask(models_markup, room, name)
            if content is not None:
                show(body, content)

        async def back(event: events.GenericEventArguments) -> None:
            author = event.args.get("author", "") if isinstance(event.args, dict) else ""
            done = await queries.ask(roll_back, room, name, str(author)[:100])
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        async def choose(event: events.GenericEventArguments) -> None:
            done = await queries.ask(choose_model, room, name, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        await refresh()
        ui.on("roll-back", back)
        ui.on("choose-model", choose)
        ui.timer(_SECONDS, refresh, immediate=False)


def models_markup(room: Room, name: str) -> Markup:
    """The page's body."""
    versions = ModelRegistry(room.engine).versions(name, _MOST_VERSIONS)
    decided = promotions(room.engine, name, 30)
    champion = next((version for version in versions if version.status is VersionStatus.CHAMPION), None)
    counts = surprise_counts(room.engine, name)
    return render(
        "models.html",
        name=name,
        versions=versions,
        champion=champion,
        former=_former(decided, champion),
        decided=decided,
        levels=levels(*counts[champion.version]) if champion and champion.version in counts else [],
        scored=counts[champion.version][0] if champion and champion.version in counts else 0,
        elsewhere=_not_serving(room, name),
        fields=_fields_in_words(room, name, champion),
    )


def _not_serving(room: Room, name: str) -> list[Heartbeat]:
    """Scorers that are alive and say something else than that they score, such as that they cannot serve the champion."""
    now = room.now()
    heard = heartbeats(room.engine, name, now - FRESH)
    return [each for each in heard if each.is_alive(now, FRESH) and each.state not in ("scoring", BROKEN)]


def _fields_in_words(room: Room, name: str, champion: ModelVersion | None) -> tuple[str, ...]:
    """How the monitor's fields differ from those that the champion reads; nothing where its bundle cannot be opened."""
    if champion is None:
        return ()
    try:
        trained = room.bundle_cache.detector(champion.bundle).schema
    except BundleRefused:
        return ()
    differences = trained.compared_with(registered_monitor(room.engine, name).record)
    lost = (f"{field!r} is missing, which version {champion.version} reads" for field in differences.lost)
    return tuple(each for each in (*lost, *differences.changed, differences.added_in_words) if each)


def levels(scored: int, exceeding: tuple[int, int, int, int]) -> list[Level]:
    """How the stream's surprises are spread: on normal data a tenth reach 1, a hundredth 2, and so on."""
    if not scored:
        return []
    rows = []
    for surprise, count in enumerate(exceeding, start=1):
        low, high = poisson_interval(count)
        rows.append(Level(surprise, 10.0**-surprise, count / scored, (low / scored, min(1.0, high / scored))))
    return rows


def _former(decided: tuple[Promotion, ...], champion: ModelVersion | None) -> int | None:
    """The version a roll back would lead to, as far as the page needs to know whether to offer it."""
    if champion is None:
        return None
    return next(
        (one.former for one in decided if one.action == "promoted" and one.version == champion.version and one.former),
        None,
    )
