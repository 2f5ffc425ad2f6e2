"""The map page's layer of incidents: coloured by choice, over a span of time, and what a selection has in common."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nicegui import events, ui

from latentwatch.review.actions import Done
from latentwatch.review.charts.incidents import COLOURED_BY, incidents_option
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.incident_actions import act_on_incidents, take_back
from latentwatch.review.incident_map import MappedIncident, incident_map
from latentwatch.review.room import Room
from latentwatch.review.templating import render

_MOST_LISTED = 100
_NAMED = 3
_FEWEST_SHARE = 0.5


class IncidentsPanel:
    """Built where it stands; `by` is what dots are coloured by, as the address says."""

    def __init__(self, room: Room, queries: PageQueries, name: str, by: str) -> None:
        self._room, self._queries, self._name = room, queries, name
        self._by = by if by in COLOURED_BY else COLOURED_BY[0]
        self._all: tuple[MappedIncident, ...] = ()
        self._shown: tuple[MappedIncident, ...] = ()
        self._chosen: list[int] = []

    async def build(self) -> None:
        """Asks once; a page that is loaded again asks again."""
        found = await self._queries.ask(incident_map, self._room.engine, self._name)
        self._all = self._shown = found or ()
        self._head = fragment(
            render("incidents_head.html", name=self._name, count=len(self._all), by=self._by, choices=COLOURED_BY)
        )
        if not self._all:
            return
        self._chart = ui.echart(self._option()).classes("chart map incidents")
        self._chart.on("chart:brushselected", self._selected, js_handler=_SELECTION % self._chart.id)
        self._chart.on_point_click(_open)
        if len(self._all) > 1:
            with ui.element("div").classes("slider"):
                self._until = fragment(render("muted.html", text="All of the time"))
                slider = ui.slider(min=1, max=len(self._all), value=len(self._all), step=1)
                slider.props('aria-label="until"')
                slider.on("change", lambda: self._show_until(int(slider.value)))
        self._said = fragment()
        with ui.element("div").classes("actions"):
            for what, label in _ACTIONS.items():
                button = ui.button(label, color=None).props("flat no-caps").classes("button")
                button.on("click", self._act, js_handler=_SIGNED % what)
        ui.on("undo", self._undo)
        self._listed = fragment(render("incidents_chosen.html", chosen=None))

    async def _act(self, event: events.GenericEventArguments) -> None:
        """One thing to all alerts of the incidents that are selected."""
        said = event.args if isinstance(event.args, dict) else {}
        if not self._chosen:
            self._tell(Done("draw around incidents first.", refused=True))
            return
        self._tell(await self._queries.ask(act_on_incidents, self._room, {**said, "ids": self._chosen}))

    async def _undo(self, event: events.GenericEventArguments) -> None:
        self._tell(await self._queries.ask(take_back, self._room, event.args))

    def _tell(self, done: Done | None) -> None:
        if done is not None:
            show(self._said, render("said.html", done=done))

    def _show_until(self, count: int) -> None:
        self._shown = self._all[: max(1, count)]
        last = self._shown[-1].dot.started
        whole = len(self._shown) == len(self._all)
        show(self._until, render("muted.html", text="All of the time" if whole else f"Until {last:%Y-%m-%d %H:%M} UTC"))
        self._chart.options.clear()
        self._chart.options.update(self._option())
        self._chart.update()

    def _option(self) -> dict[str, object]:
        return incidents_option(self._shown, self._by, self._room.now())

    def _selected(self, event: events.GenericEventArguments) -> None:
        said = event.args
        numbers = {each for each in said if isinstance(each, int)} if isinstance(said, list) else set()
        chosen = [one for one in self._shown if one.dot.incident in numbers]
        self._chosen = [one.dot.incident for one in chosen]
        if not isinstance(said, list):
            show(self._listed, render("incidents_chosen.html", chosen=None))
            return
        words = in_common(chosen, [one for one in self._shown if one.dot.incident not in numbers])
        show(
            self._listed,
            render("incidents_chosen.html", chosen=chosen[-_MOST_LISTED:][::-1], total=len(chosen), words=words),
        )


_ACTIONS = {"acknowledge": "Acknowledge selected", "true": "True", "false": "False alarm", "close": "Close"}
_SIGNED = "() => emit({what: '%s', author: localStorage.getItem('latentwatch.author') || ''})"
_SELECTION = (
    "(e) => { const picked = e.batch[0] || {areas: [], selected: []};"
    " const chart = getElement(%d).chart; const series = chart.getOption().series;"
    " emit(picked.areas.length ? picked.selected.flatMap((s) => s.dataIndex.map((i) => series[s.seriesIndex].data[i].incident))"
    " : null); }"
)


def _open(event: events.EChartPointClickEventArguments) -> None:
    """A click on a dot leads to its incident."""
    point: Any = event.data
    if isinstance(point, dict) and isinstance(point.get("incident"), int):
        ui.navigate.to(f"/incidents/{point['incident']}")


def in_common(chosen: Sequence[MappedIncident], rest: Sequence[MappedIncident]) -> list[str]:
    """What at least half of the chosen incidents share and the rest less so, in words; what sets them apart most first."""
    if not chosen:
        return []
    found: list[tuple[float, str]] = []
    for kind in ("feature", "entity", "cause", "severity"):
        ours, theirs = _shares(chosen, kind), _shares(rest, kind)
        for value, share in ours.items():
            apart = share - theirs.get(value, 0.0)
            if share >= _FEWEST_SHARE and (apart > 0 or not rest):
                against = f", of the rest {_percent(theirs.get(value, 0.0))}" if rest else ""
                found.append((apart, f"{kind} {value}: {_percent(share)}{against}"))
    return [words for _, words in sorted(found, key=lambda one: (-one[0], one[1]))[:_NAMED]]


def _percent(share: float) -> str:
    return f"{round(100 * share)} %"


def _shares(incidents: Sequence[MappedIncident], kind: str) -> dict[str, float]:
    values: Counter[str] = Counter()
    for one in incidents:
        dot = one.dot
        told = {
            "feature": set(dot.features),
            "entity": {dot.entity} - {""},
            "cause": {dot.cause} - {""},
            "severity": {dot.severity.value},
        }[kind]
        values.update(told)
    return {value: times / len(incidents) for value, times in values.items()}
