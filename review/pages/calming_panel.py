"""The alert's part that says what would calm it, and lets people try readings of their own."""

from collections.abc import Callable

from nicegui import ui

from latentwatch.detector.interface import Detector
from latentwatch.domain.errors import BundleRefused, InvalidInput
from latentwatch.domain.record import Value
from latentwatch.review.charts.calmed import HEIGHT, calmed_option
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.room import Room
from latentwatch.review.templating import render
from latentwatch.review.whatif import WhatIf, had_it_shown, what_would_calm
from latentwatch.review.words import number

_SLIDERS = 6


class CalmingPanel:
    """Built where it stands; it answers when it is asked."""

    def __init__(self, room: Room, queries: PageQueries, alert: int, features: tuple[str, ...]) -> None:
        self._room, self._queries, self._alert, self._features = room, queries, alert, features
        self._tried: dict[str, Value] = {}
        fragment("<h2>What would calm it</h2>")
        self._button = (
            ui.button("Find the smallest change", on_click=self._find, color=None)
            .props("flat no-caps")
            .classes("button calm")
        )
        self._answer = fragment()
        self._chart = ui.element("div")
        self._sliders = ui.element("div").classes("sliders")

    async def _find(self) -> None:
        self._button.disable()
        show(self._answer, render("muted.html", text="Scoring what was kept again …"))
        found = await self._queries.ask(_asked, lambda: what_would_calm(self._room.engine, self._load, self._alert))
        self._button.enable()
        if found is None:
            show(self._answer, render("muted.html", text=""))
            return
        self._show(found)
        if isinstance(found, WhatIf):
            self._tried = {}
            self._offer_sliders(found)

    async def _try(self) -> None:
        found = await self._queries.ask(
            _asked, lambda: had_it_shown(self._room.engine, self._load, self._alert, self._tried)
        )
        if found is not None:
            self._show(found)

    def _load(self, bundle: str) -> Detector:
        return self._room.bundle_cache.detector(bundle)

    def _show(self, found: WhatIf | str) -> None:
        if isinstance(found, str):
            show(self._answer, render("muted.html", text=found))
            return
        show(self._answer, render("calming.html", found=found))
        self._chart.clear()
        with self._chart:
            if len(found.times) > 1:
                ui.echart(calmed_option(found)).classes("chart").style(f"height:{HEIGHT}px")

    def _offer_sliders(self, found: WhatIf) -> None:
        """One for each feature that would have to change, then for those the alert names."""
        changed = {each.feature: each for each in found.changes}
        names = [name for name in dict.fromkeys((*changed, *self._features)) if name in found.free][:_SLIDERS]
        self._sliders.clear()
        with self._sliders:
            if names:
                fragment(render("muted.html", text="Or try readings of your own; they are scored when you let go."))
            for name in names:
                ends = [found.free[name]]
                if name in changed:
                    both = (changed[name].actual, changed[name].instead)
                    ends += [float(each) for each in both if isinstance(each, int | float)]
                self._slider(name, min(ends), max(ends), found.free[name])

    def _slider(self, name: str, low: float, high: float, value: float) -> None:
        span = max(high - low, 0.1 * abs(value), 1e-6)
        low, high = low - span, high + span
        with ui.element("div").classes("slider"):
            said = fragment(render("muted.html", text=f"{name} {number(value)}"))
            slider = ui.slider(min=low, max=high, value=value, step=(high - low) / 200)
            slider.props(f'aria-label="{_plain(name)}"')
            slider.on_value_change(lambda event: show(said, render("muted.html", text=f"{name} {number(event.value)}")))
            slider.on("change", lambda: self._moved(name, float(slider.value)))

    async def _moved(self, name: str, value: float) -> None:
        self._tried[name] = value
        await self._try()


def _asked(answer: Callable[[], WhatIf]) -> WhatIf | str:
    """The answer, or a sentence saying why there is none."""
    try:
        return answer()
    except (InvalidInput, BundleRefused) as error:
        return str(error)


def _plain(name: str) -> str:
    """A feature's name as a property's text can hold it."""
    return "".join(char for char in name if char.isalnum() or char in " _.-")
