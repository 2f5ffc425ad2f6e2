"""The map page's part that explores states: places and factors as records, ways between two, differences of groups."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nicegui import ui

from latentwatch.domain.errors import BundleRefused, InvalidInput, NotFound
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.room import Room
from latentwatch.review.states import MOST_STATES, DecodedState, Factor, StateExplorer, StatePoint
from latentwatch.review.templating import render

_STEPS = 100
Found = TypeVar("Found")


class StatesPanel:
    """Built where it stands; `redraw` is called when other states are chosen."""

    def __init__(
        self,
        room: Room,
        queries: PageQueries,
        name: str,
        version: int,
        factors: Sequence[Factor],
        middle: DecodedState,
        redraw: Callable[[], None],
    ) -> None:
        self._room, self._queries, self._name, self._version = room, queries, name, version
        self._middle, self._redraw = middle, redraw
        self.chosen: tuple[DecodedState, ...] = ()
        self._here, self._before = middle, middle
        self._groups: dict[str, list[StatePoint]] = {}
        self._selected: list[StatePoint] = []
        self._sliders: list[tuple[Factor, ui.slider, ui.html]] = []
        fragment(render("states_intro.html"))
        self._answer = fragment(render("muted.html", text=""))
        with ui.element("div").classes("sliders"):
            for factor in factors:
                self._offer(factor)
        with ui.element("div").classes("actions"):
            self._button("Way from the place before", lambda: self._way(False))
            self._button("… and beyond", lambda: self._way(True))
            self._button("Selection is the first group", lambda: self._group("first"))
            self._button("Selection is the second group", lambda: self._group("second"))
            self._button("Apply their difference here", self._apply)
        self._further = fragment(render("muted.html", text=""))

    async def choose(self, place: tuple[float, float]) -> None:
        """A place of the map."""
        await self._decode(StatePoint(place=place))

    def select(self, alerts: Sequence[int]) -> None:
        """Flagged records that are selected on the map, by alert."""
        self._selected = [StatePoint(alert=alert) for alert in dict.fromkeys(alerts)][:MOST_STATES]

    def _offer(self, factor: Factor) -> None:
        value = self._middle.code[factor.number]
        with ui.element("div").classes("slider"):
            said = fragment(render("muted.html", text=factor.name))
            low, high = min(factor.low, value), max(factor.high, value)
            slider = ui.slider(min=low, max=high, value=value, step=max(high - low, 1e-6) / _STEPS)
            slider.props(f'aria-label="factor {factor.number + 1}"')
            slider.on("change", self._slid)
        self._sliders.append((factor, slider, said))

    async def _slid(self) -> None:
        await self._decode(StatePoint(code=tuple(float(slider.value) for _, slider, _ in self._sliders)), move=False)

    async def _decode(self, point: StatePoint, move: bool = True) -> None:
        found = await self._ask(lambda explorer: explorer.decode([point]))
        if found is None:
            return
        self._before, self._here = self._here, found[0]
        if move:
            for factor, slider, _ in self._sliders:
                slider.set_value(min(slider.props["max"], max(slider.props["min"], found[0].code[factor.number])))
        show(self._answer, render("state.html", state=self._here, usual=self._middle, units=self._units))
        self._draw(found)

    async def _way(self, beyond: bool) -> None:
        first, second = (StatePoint(code=each.code) for each in (self._before, self._here))
        found = await self._ask(lambda explorer: explorer.way(first, second, beyond))
        if found is not None:
            show(self._further, render("states_way.html", way=found, units=self._units))
            self._draw(found)

    def _group(self, which: str) -> None:
        if not self._selected:
            show(self._further, render("muted.html", text="Draw a box over flagged records first."))
            return
        self._groups[which] = self._selected
        counts = ", ".join(f"{name} group: {len(group)} alerts" for name, group in sorted(self._groups.items()))
        show(self._further, render("muted.html", text=f"{counts[:1].upper()}{counts[1:]}."))

    async def _apply(self) -> None:
        if len(self._groups) < 2:
            show(self._further, render("muted.html", text="Choose both groups first: select records, then say which."))
            return
        first, second, start = self._groups["first"], self._groups["second"], StatePoint(code=self._here.code)
        found = await self._ask(lambda explorer: explorer.difference(first, second, start))
        if found is not None:
            show(self._further, render("states_difference.html", found=found))
            self._draw((found.before, found.after))

    async def _ask(self, question: Callable[[StateExplorer], Found]) -> Found | None:
        """The answer; None after saying why there is none."""

        def asked() -> Found | str:
            try:
                explorer = StateExplorer(self._room, self._name, self._version)
                self._units = explorer.units
                return question(explorer)
            except (InvalidInput, BundleRefused, NotFound) as error:
                return str(error)

        found: Any = await self._queries.ask(asked)
        if isinstance(found, str):
            show(self._further, render("muted.html", text=found))
            return None
        return found  # type: ignore[no-any-return]

    def _draw(self, states: Sequence[DecodedState]) -> None:
        self.chosen = tuple(states)
        self._redraw()

    def _button(self, label: str, act: Callable[[], Any]) -> None:
        ui.button(label, on_click=act, color=None).props("flat no-caps").classes("button")
