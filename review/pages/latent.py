"""Map: where does this live? Normal density as the ground, flagged records on it, a selection lists its records."""

from typing import Any

from fastapi import Request
from nicegui import events, ui

from latentwatch.alerts.reading import MapPoint
from latentwatch.review.charts.latent import VERDICT_LOOKS, map_option
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.latent_map import VersionMap, latent_map
from latentwatch.review.pages.choosing import chosen, lead_to_monitor
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 10.0
_MOST_LISTED = 200
_VERDICTS = tuple(VERDICT_LOOKS)

lead_to_monitor("map", "Map")


@page_at("/map/{name}")
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

    def __init__(self, room: Room, queries: PageQueries, name: str, version: int | None, drawn: VersionMap) -> None:
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


def _moved(new: VersionMap, old: VersionMap) -> bool:
    return (new.points, new.version, new.others) != (old.points, old.version, old.others)
