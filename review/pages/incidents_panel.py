"""The map page's layer of incidents: coloured by choice, over a span of time, and what a selection has in common.

What is seen is in the address: a link shows the same.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from nicegui import events, ui

from latentwatch.review.actions import Done
from latentwatch.review.charts.incidents import COLOURED_BY, Group, groups_of, incidents_option
from latentwatch.review.exception_actions import LASTING
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.incident_actions import (
    act_on_incidents,
    except_incidents,
    propose_for_incidents,
    take_back_from_map,
)
from latentwatch.review.incident_map import MappedIncident, in_common, incident_map
from latentwatch.review.incident_view import IncidentView, corners_of, inside, zoom_of
from latentwatch.review.room import Room
from latentwatch.review.templating import render

_MOST_LISTED = 100
_STEPS = 100
"""Of the slider through time."""
_SECONDS_A_STEP = 0.6
_STEPS_AT_ONCE = 4
"""Of the slider, while it plays."""


class IncidentsPanel:
    """Built where it stands; `view` is what the address says."""

    def __init__(
        self, room: Room, queries: PageQueries, name: str, view: IncidentView, version: int | None = None
    ) -> None:
        self._room, self._queries, self._name, self._version = room, queries, name, version
        self._view = view
        self._all: tuple[MappedIncident, ...] = ()
        self._groups: tuple[Group, ...] = ()
        self._chosen: list[MappedIncident] = []

    async def build(self) -> None:
        """Asks once; a page that is loaded again asks again."""
        found = await self._queries.ask(incident_map, self._room.engine, self._name)
        self._all = found or ()
        self._head = fragment()
        self._say()
        if not self._all:
            return
        self._groups, option = await self._queries.ask(self._drawn) or ((), {})
        self._legend = fragment()
        self._say()
        self._chart = ui.echart(option).classes("chart map incidents")
        self._chart.props(MAP_KEYS % "incidents")
        self._chart.on("chart:brushselected", self._selected, js_handler=_SELECTION)
        self._chart.on("chart:datazoom", self._zoomed, js_handler=ZOOM_SAID % self._chart.id)
        self._chart.on_point_click(self._open)
        self._build_time()
        with ui.element("div").classes("actions"):
            for words, step in (("Nearer", 1), ("Farther", -1), ("Whole map", 0)):
                _button(words, self._zoom_by(step))
            _button("Select all shown", self._select_shown)
            _button("Select none", self._select_none)
        self._said = fragment()
        self._listed = fragment(render("incidents_chosen.html", chosen=None))
        self._offered = fragment()
        ui.on("incidents-act", self._act)
        ui.on("incidents-group", self._toggle)
        ui.on("except", self._except)
        ui.on("undo", self._undo)
        if self._view.around:
            ui.timer(0.3, self._draw_around, once=True)

    def _build_time(self) -> None:
        first, last = self._all[0].dot.started, self._all[-1].dot.started
        self._first, self._span = first, last - first
        if not self._span:
            return
        with ui.element("div").classes("slider"):
            self._until = fragment()
            self._slider = ui.slider(min=0, max=_STEPS, value=self._step_of(self._view.until), step=1)
            self._slider.props('aria-label="until"')
            self._slider.on("change", self._slid)
            self._play = _button("Play", self._start_or_stop)
        self._ticking = ui.timer(_SECONDS_A_STEP, self._tick, active=False)
        self._say_until()

    # Time

    def _step_of(self, until: datetime | None) -> int:
        return _STEPS if until is None else min(_STEPS, max(0, round(_STEPS * ((until - self._first) / self._span))))

    async def _slid(self) -> None:
        self._stop()
        await self._show_until(int(self._slider.value))

    async def _start_or_stop(self) -> None:
        if self._ticking.active:
            self._stop()
            self._address()
            return
        if int(self._slider.value) >= _STEPS:
            self._slider.value = 0
        self._play.set_text("Stop")
        self._ticking.activate()

    def _stop(self) -> None:
        self._ticking.deactivate()
        self._play.set_text("Play")

    async def _tick(self) -> None:
        step = min(_STEPS, int(self._slider.value) + _STEPS_AT_ONCE)
        self._slider.value = step
        if step >= _STEPS:
            self._stop()
        await self._show_until(step)

    async def _show_until(self, step: int) -> None:
        until = (
            None
            if step >= _STEPS
            else self._first + timedelta(seconds=round(self._span.total_seconds() * step / _STEPS))
        )
        self._view = replace(self._view, until=until)
        self._say_until()
        await self._redraw()

    def _say_until(self) -> None:
        until = self._view.until
        show(
            self._until,
            render("muted.html", text="All of the time" if until is None else f"Until {until:%Y-%m-%d %H:%M} UTC"),
        )

    # What is drawn

    def _shown(self) -> list[MappedIncident]:
        return [one for group in self._groups if group.name not in self._view.hidden for one in group.members]

    def _drawn(self) -> tuple[tuple[Group, ...], dict[str, object]]:
        """Groups as of now, and the drawing of those that are not left out."""
        groups, view = groups_of(self._all, self._view.by, self._room.now()), self._view
        if view.until is not None:
            until = view.until
            groups = tuple(
                replace(group, members=tuple(one for one in group.members if one.dot.started <= until))
                for group in groups
            )
        seen = [replace(group, members=() if group.name in view.hidden else group.members) for group in groups]
        return groups, incidents_option(seen, view.zoom)

    async def _redraw(self) -> None:
        drawn = await self._queries.ask(self._drawn)
        if drawn is None:
            return
        self._groups, option = drawn
        self._chart.options.clear()
        self._chart.options.update(option)
        self._chart.update()
        self._say()
        self._choose()
        if not self._ticking_now:
            self._address()

    @property
    def _ticking_now(self) -> bool:
        return bool(self._span) and self._ticking.active

    def _say(self) -> None:
        """The head with its links, and the groups with their counts; the address says the same."""
        links = {by: f"?{replace(self._view, by=by, hidden=()).query(self._version)}" for by in COLOURED_BY}
        show(
            self._head,
            render("incidents_head.html", name=self._name, count=len(self._all), by=self._view.by, links=links),
        )
        if self._groups:
            show(self._legend, render("incidents_legend.html", groups=self._groups, hidden=self._view.hidden))

    def _address(self) -> None:
        ui.run_javascript(f"latentwatch.view({self._view.query(self._version)!r})")

    async def _toggle(self, event: events.GenericEventArguments) -> None:
        name = event.args.get("group") if isinstance(event.args, dict) else None
        if name not in {group.name for group in self._groups}:
            return
        hidden = self._view.hidden
        hidden = tuple(one for one in hidden if one != name) if name in hidden else (*hidden, str(name))
        self._view = replace(self._view, hidden=hidden)
        await self._redraw()

    def _zoomed(self, event: events.GenericEventArguments) -> None:
        """A wheel or fingers moved the map."""
        self._view = replace(self._view, zoom=zoom_of(event.args))
        self._address()
        self._say()

    def _zoom_by(self, step: int) -> Callable[[], Awaitable[None]]:
        async def zoom() -> None:
            self._view = replace(self._view, zoom=self._view.nearer(step) if step else None)
            await self._redraw()

        return zoom

    def _open(self, event: events.EChartPointClickEventArguments) -> None:
        """A click on a dot leads to its incident."""
        seen = [() if group.name in self._view.hidden else group.members for group in self._groups]
        series, at = event.series_index, event.data_index
        if series < len(seen) and at < len(seen[series]):
            ui.navigate.to(f"/incidents/{seen[series][at].dot.incident}")

    # What is selected

    def _draw_around(self) -> None:
        corners = [list(corner) for corner in self._view.around]
        self._chart.run_chart_method(
            "dispatchAction",
            {"type": "brush", "areas": [{"brushType": "polygon", "xAxisIndex": 0, "coordRange": corners}]},
        )
        self._choose()

    def _selected(self, event: events.GenericEventArguments) -> None:
        around = corners_of(event.args)
        if around != self._view.around:
            self._view = replace(self._view, around=around)
            self._address()
            self._say()
            show(self._offered, render("nothing.html"))
        self._choose()

    async def _select_shown(self) -> None:
        self._view = replace(self._view, around=((-0.5, -0.5), (1.5, -0.5), (1.5, 1.5), (-0.5, 1.5)))
        self._draw_around()
        self._address()

    async def _select_none(self) -> None:
        self._view = replace(self._view, around=())
        self._chart.run_chart_method("dispatchAction", {"type": "brush", "areas": []})
        self._choose()
        self._address()

    def _choose(self) -> None:
        """Who lies within what is drawn around, of those that are shown."""
        if not self._view.around:
            self._chosen = []
            show(self._listed, render("incidents_chosen.html", chosen=None))
            return
        shown = self._shown()
        within = inside([one.place for one in shown], self._view.around).tolist()
        self._chosen = sorted(
            (one for one, mine in zip(shown, within, strict=True) if mine), key=lambda one: one.dot.started
        )
        rest = [one for one, mine in zip(shown, within, strict=True) if not mine]
        words = in_common(self._chosen, rest)
        listed = self._chosen[-_MOST_LISTED:][::-1]
        show(self._listed, render("incidents_chosen.html", chosen=listed, total=len(self._chosen), words=words))

    # What is done with it

    async def _act(self, event: events.GenericEventArguments) -> None:
        """One thing to all alerts of the incidents that are selected."""
        said = event.args if isinstance(event.args, dict) else {}
        numbers = [one.dot.incident for one in self._chosen]
        if not numbers:
            self._tell(Done("draw around incidents first.", refused=True))
        elif said.get("what") == "except":
            self._tell(Done("Looking at the past alerts …"))
            found = await self._queries.ask(propose_for_incidents, self._room, self._name, numbers)
            if found is not None:
                self._tell(Done(""))
                show(self._offered, render("proposals.html", asked=True, found=found, lasting=LASTING))
        else:
            self._tell(await self._queries.ask(act_on_incidents, self._room, {**said, "ids": numbers}))
            await self._read_again()

    async def _except(self, event: events.GenericEventArguments) -> None:
        numbers = [one.dot.incident for one in self._chosen]
        done = await self._queries.ask(except_incidents, self._room, self._name, numbers, event.args)
        self._tell(done)
        if done is not None and not done.refused:
            show(self._offered, render("nothing.html"))
            await self._read_again()

    async def _undo(self, event: events.GenericEventArguments) -> None:
        self._tell(await self._queries.ask(take_back_from_map, self._room, self._name, event.args))
        await self._read_again()

    async def _read_again(self) -> None:
        """What people said of incidents changes their colours."""
        found = await self._queries.ask(incident_map, self._room.engine, self._name)
        if found:
            self._all = found
            await self._redraw()

    def _tell(self, done: Done | None) -> None:
        if done is not None:
            show(self._said, render("said.html", done=done))


def _button(words: str, clicked: Callable[[], Awaitable[Any]]) -> ui.button:
    return ui.button(words, color=None, on_click=clicked).props("flat no-caps").classes("button")


# The shape in the map's own numbers: the server knows who lies within.
_SELECTION = (
    "(e) => { const area = e.batch[0] && e.batch[0].areas[0]; const at = area && area.coordRange;"
    " emit(!at ? null : area.brushType === 'polygon' ? at"
    " : [[at[0][0], at[1][0]], [at[0][1], at[1][0]], [at[0][1], at[1][1]], [at[0][0], at[1][1]]]); }"
)
ZOOM_SAID = (
    "() => { clearTimeout(window.latentwatch.zooming); window.latentwatch.zooming = setTimeout(() => {"
    " const [x, y] = getElement(%d).chart.getOption().dataZoom; emit([x.start, x.end, y.start, y.end]); }, 400); }"
)
"""Says what is seen of a map, in percent, once it has come to rest; filled with the chart's number."""
MAP_KEYS = 'tabindex="0" role="application" aria-label="map of %s: arrows move it, plus and minus zoom, 0 shows all"'
