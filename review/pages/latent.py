"""Map: where does this live? Normal density as the ground, flagged records on it, a selection lists its records."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from nicegui import events, ui

from latentwatch.alerts.reading import MapPoint
from latentwatch.domain.errors import BundleRefused, InvalidInput, NotFound
from latentwatch.review.charts.latent import VERDICT_LOOKS, map_option
from latentwatch.review.charts.states import with_states
from latentwatch.review.entity_trails import EntityTrail, entity_trails
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.incident_view import Zoom, incident_view, zoom_of
from latentwatch.review.latent_map import VersionMap, latent_map
from latentwatch.review.pages.choosing import chosen, lead_to_monitor
from latentwatch.review.pages.incidents_panel import MAP_KEYS, ZOOM_SAID, IncidentsPanel
from latentwatch.review.pages.states_panel import StatesPanel
from latentwatch.review.room import Room, room_of
from latentwatch.review.states import DecodedState, Factor, StateExplorer
from latentwatch.review.templating import render

_SECONDS = 10.0
_MOST_LISTED = 200
_VERDICTS = tuple(VERDICT_LOOKS)

lead_to_monitor("map", "Map")


@page_at("/map/{name}")
async def map_page(request: Request, name: str, version: int | None = None) -> None:
    """One monitor's latent map, the champion's or a former version's, and the map of its incidents."""
    room = room_of(request)
    with frame(room, f"{name} map", "/map", name) as queries:
        monitor = await chosen(room, queries, "map", name)
        if monitor is None:
            return
        drawn = await queries.ask(latent_map, room, name, version)
        if drawn is None:
            ui.timer(2.0, ui.navigate.reload, once=True)
            return
        explored = await queries.ask(_explored, room, drawn, name)
        _MapView(room, queries, name, version, drawn, explored).build()
        await IncidentsPanel(room, queries, name, incident_view(request.url.query), version).build()


@dataclass(frozen=True, slots=True)
class _Explored:
    """What lies over the map: its axes' names, factors, a usual state, and where entities are."""

    axes: tuple[str, str]
    factors: tuple[Factor, ...]
    middle: DecodedState
    trails: tuple[EntityTrail, ...]


def _explored(room: Room, drawn: VersionMap, name: str) -> _Explored | None:
    """None where there is no map to explore, or its kind cannot decode; the head says why."""
    if drawn.version is None or drawn.ground is None:
        return None
    try:
        explorer = StateExplorer(room, name, drawn.version.version)
        return _Explored(explorer.axes(), explorer.factors(), explorer.middle, entity_trails(explorer))
    except (BundleRefused, InvalidInput, NotFound):
        return None


class _MapView:
    """The map and the list of what is selected on it."""

    def __init__(
        self,
        room: Room,
        queries: PageQueries,
        name: str,
        version: int | None,
        drawn: VersionMap,
        explored: _Explored | None,
    ) -> None:
        self.room, self.queries, self.name, self.version, self.drawn = room, queries, name, version, drawn
        self.explored = explored
        self.panel: StatesPanel | None = None
        self.zoom: Zoom | None = None

    def build(self) -> None:
        self.head = fragment()
        self._say()
        if self.drawn.version is None:
            return
        self.chart = ui.echart(self._option()).classes("chart map")
        self.chart.props(MAP_KEYS % "states")
        self.chart.on("chart:datazoom", self._zoomed, js_handler=ZOOM_SAID % self.chart.id)
        self.chart.on("chart:brushselected", self._selected, js_handler=_SELECTION)
        self.chart.on_point_click(_open)
        ui.timer(0.3, self._take_brush, once=True)
        self.listed = fragment(render("map_list.html", points=None, total=0))
        if self.explored is not None:
            explored, number = self.explored, self.drawn.version.version
            self.panel = StatesPanel(
                self.room, self.queries, self.name, number, explored.factors, explored.middle, self._redraw
            )
            self.chart.on("click", self._place, js_handler=_PLACE % self.chart.id)
            self.chart.on("keydown.enter", self._place, js_handler=_MIDDLE % self.chart.id)
        ui.timer(_SECONDS, self.refresh, immediate=False)

    def _take_brush(self) -> None:
        """With a mouse, dragging selects at once; a finger's drag goes on scrolling the page."""
        self.chart.run_chart_method(":dispatchAction", _BRUSH_AT_ONCE)

    async def refresh(self) -> None:
        drawn = await self.queries.ask(latent_map, self.room, self.name, self.version)
        if drawn is None or drawn.version is None:
            return
        explored = await self.queries.ask(_explored, self.room, drawn, self.name)
        if _moved(drawn, self.drawn) or explored != self.explored:
            self.drawn, self.explored = drawn, explored
            self._say()
            self._redraw()

    def _redraw(self) -> None:
        self.chart.options.clear()
        self.chart.options.update(self._option())
        self.chart.update()

    async def _place(self, event: events.GenericEventArguments) -> None:
        """A click on the map, wherever it was, chooses the state there."""
        place = event.args
        if (
            self.panel
            and isinstance(place, list)
            and len(place) == 2
            and all(isinstance(at, int | float) for at in place)
        ):
            await self.panel.choose((float(place[0]), float(place[1])))

    def _zoomed(self, event: events.GenericEventArguments) -> None:
        """What is drawn anew stays zoomed."""
        self.zoom = zoom_of(event.args)

    def _say(self) -> None:
        counts = dict.fromkeys(_VERDICTS, 0)
        for point in self.drawn.points:
            counts[point.verdict.value if point.verdict else "none"] += 1
        show(self.head, render("map_head.html", name=self.name, drawn=self.drawn, counts=counts, looks=VERDICT_LOOKS))

    def _option(self) -> dict[str, object]:
        option = map_option(self.drawn.ground, self.drawn.points, brush=True, zoom=self.zoom)
        if self.explored is None:
            return option
        return with_states(option, self.explored.axes, self.explored.trails, self.panel.chosen if self.panel else ())

    def _selected(self, event: events.GenericEventArguments) -> None:
        chosen_points = selected(self.drawn.points, event.args)
        if chosen_points is None:
            show(self.listed, render("map_list.html", points=None, total=0))
            return
        if self.panel:
            self.panel.select([point.alert for point in chosen_points])
        loudest = sorted(chosen_points, key=lambda point: -point.surprise)
        show(self.listed, render("map_list.html", points=loudest[:_MOST_LISTED], total=len(loudest)))


# Of what a brush event says only the indices are wanted: verdict of the series, places within it.
_SELECTION = (
    "(e) => { const picked = e.batch[0] || {areas: [], selected: []};"
    " emit(picked.areas.length ? picked.selected.filter((s) => s.seriesId !== 'ground' && s.seriesId !== 'rings')"
    ".map((s) => [s.seriesId, s.dataIndex]) : null); }"
)


_PLACE = (
    "(e) => { const chart = getElement(%d).chart;"
    " if (chart.containPixel('grid', [e.offsetX, e.offsetY]))"
    " emit(chart.convertFromPixel('grid', [e.offsetX, e.offsetY])); }"
)

_MIDDLE = (
    "() => { const chart = getElement(%d).chart; emit(chart.convertFromPixel('grid',"
    " [chart.getWidth() / 2, chart.getHeight() / 2])); }"
)
"""Enter chooses what lies in the middle of what is seen, as a click does."""

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


def _moved(new: VersionMap, old: VersionMap) -> bool:
    return (new.points, new.version, new.others) != (old.points, old.version, old.others)
