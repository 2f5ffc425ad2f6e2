"""Map: where does this live? Normal density as the ground, flagged records on it, a selection lists its records."""

from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from nicegui import events, ui

from latentwatch.alerts.reading import MapPoint, flagged_places, flagged_versions
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.interface import MapGround
from latentwatch.domain.errors import BundleRefused, NotFound
from latentwatch.domain.model import ModelVersion
from latentwatch.review.charts.latent import VERDICT_LOOKS, map_option
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.frame import frame
from latentwatch.review.pages.choosing import chosen, lead_to_monitor
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 10.0
_MOST_LISTED = 200
_VERDICTS = tuple(VERDICT_LOOKS)

lead_to_monitor("map", "Map")


@dataclass(frozen=True, slots=True)
class LatentMap:
    """What the page draws. Without a ground, `problem` says why."""

    version: ModelVersion | None
    ground: MapGround | None
    problem: str
    points: tuple[MapPoint, ...]
    others: dict[int, int] = field(default_factory=dict)
    """Versions that have maps with flagged records of their own, and how many of the latest each holds."""
    shared: tuple[int, ...] = ()
    """Former versions whose flagged records are drawn too, since their places are the same."""


@ui.page("/map/{name}")
async def map_page(request: Request, name: str, version: int | None = None) -> None:
    """One monitor's latent map: the champion's, or a former version's."""
    room = room_of(request)
    with frame(room, f"{name} map", "/map", name) as queries:
        monitor = await chosen(room, queries, "map", name)
        if monitor is None:
            return
        drawn = await queries.ask(latent_map, room, name, version)
        if drawn is None:
            ui.timer(2.0, ui.navigate.reload, once=True)
            return
        _MapView(room, queries, name, version, drawn).build()


class _MapView:
    """The map and the list of what is selected on it."""

    def __init__(self, room: Room, queries: PageQueries, name: str, version: int | None, drawn: LatentMap) -> None:
        self.room, self.queries, self.name, self.version, self.drawn = room, queries, name, version, drawn

    def build(self) -> None:
        self.head = fragment()
        self._say()
        if self.drawn.version is None:
            return
        self.chart = ui.echart(self._option()).classes("chart map")
        self.chart.on("chart:brushselected", self._selected, js_handler=_SELECTION)
        self.chart.on_point_click(_open)
        ui.timer(0.3, self._take_brush, once=True)
        self.listed = fragment(render("map_list.html", points=None, total=0))
        ui.timer(_SECONDS, self.refresh, immediate=False)

    def _take_brush(self) -> None:
        """With a mouse, dragging selects at once; a finger's drag goes on scrolling the page."""
        self.chart.run_chart_method(":dispatchAction", _BRUSH_AT_ONCE)

    async def refresh(self) -> None:
        drawn = await self.queries.ask(latent_map, self.room, self.name, self.version)
        if drawn is None or drawn.version is None:
            return
        if _moved(drawn, self.drawn):
            self.drawn = drawn
            self._say()
            self.chart.options.clear()
            self.chart.options.update(self._option())
            self.chart.update()

    def _say(self) -> None:
        counts = dict.fromkeys(_VERDICTS, 0)
        for point in self.drawn.points:
            counts[point.verdict.value if point.verdict else "none"] += 1
        show(self.head, render("map_head.html", name=self.name, drawn=self.drawn, counts=counts, looks=VERDICT_LOOKS))

    def _option(self) -> dict[str, object]:
        return map_option(self.drawn.ground, self.drawn.points, brush=True)

    def _selected(self, event: events.GenericEventArguments) -> None:
        chosen_points = selected(self.drawn.points, event.args)
        if chosen_points is None:
            show(self.listed, render("map_list.html", points=None, total=0))
            return
        loudest = sorted(chosen_points, key=lambda point: -point.surprise)
        show(self.listed, render("map_list.html", points=loudest[:_MOST_LISTED], total=len(loudest)))


# Of what a brush event says only the indices are wanted: verdict of the series, places within it.
_SELECTION = (
    "(e) => { const picked = e.batch[0] || {areas: [], selected: []};"
    " emit(picked.areas.length ? picked.selected.filter((s) => s.seriesId !== 'ground' && s.seriesId !== 'rings')"
    ".map((s) => [s.seriesId, s.dataIndex]) : null); }"
)


_BRUSH_AT_ONCE = (
    "{type: 'takeGlobalCursor', key: 'brush', brushOption:"
    " {brushType: matchMedia('(pointer: fine)').matches ? 'rect' : false, brushMode: 'single', z: 10000}}"
)


def _open(event: events.EChartPointClickEventArguments) -> None:
    """A click on a record leads to its alert."""
    point: Any = event.data
    if isinstance(point, dict) and isinstance(point.get("alert"), int):
        ui.navigate.to(f"/alerts/{point['alert']}")


def selected(points: tuple[MapPoint, ...], said: object) -> list[MapPoint] | None:
    """The points a browser says are selected, as pairs of verdict and indices; None where nothing is selected."""
    if not isinstance(said, list):
        return None
    found: list[MapPoint] = []
    for pair in said:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], list)):
            continue
        mine = [point for point in points if (point.verdict.value if point.verdict else "none") == pair[0]]
        found += [mine[index] for index in pair[1] if isinstance(index, int) and 0 <= index < len(mine)]
    return found


def latent_map(room: Room, name: str, number: int | None = None) -> LatentMap:
    """A version's map with its latest flagged records; the champion's where no number is given or none has it."""
    registry = ModelRegistry(room.engine)
    champion = registry.champion(name)
    version = champion if number is None else _version(registry, name, number) or champion
    if version is None:
        return LatentMap(None, None, "", ())
    others = flagged_versions(room.engine, name)
    if champion is not None:
        others = {champion.version: 0} | others
    others.pop(version.version, None)
    try:
        ground = room.bundle_cache.detector(version.bundle).map_ground()
    except BundleRefused as error:
        return LatentMap(version, None, str(error), flagged_places(room.engine, name, [version.version]), others)
    shared = tuple(other for other in others if _share_places(room, registry, name, other, ground))
    others = {other: count for other, count in others.items() if other not in shared}
    points = flagged_places(room.engine, name, [version.version, *shared])
    return LatentMap(version, ground, "", points, others, shared)


def _share_places(room: Room, registry: ModelRegistry, name: str, other: int, ground: MapGround) -> bool:
    if not ground.basis:
        return False
    try:
        return room.bundle_cache.basis(registry.version(name, other).bundle) == ground.basis
    except (BundleRefused, NotFound):
        return False


def _version(registry: ModelRegistry, name: str, number: int) -> ModelVersion | None:
    try:
        return registry.version(name, number)
    except (NotFound, OverflowError):  # no version has this number, or no database could hold it
        return None


def _moved(new: LatentMap, old: LatentMap) -> bool:
    return (new.points, new.version, new.others) != (old.points, old.version, old.others)
