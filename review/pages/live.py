"""Live: what is the stream doing? Sensor traces and the score on one time axis, moving."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from fastapi import Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.missed_stretches import missed_stretches
from latentwatch.alerts.reading import EntityFacts, entities, monitor_facts, trace
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.outcome import TracePoint
from latentwatch.review.actions import Done
from latentwatch.review.charts.trace import MOST_POINTS, chosen_features, has_course, trace_height, trace_option
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.missed_actions import forget_missed, say_missed
from latentwatch.review.pages.choosing import chosen, lead_to_monitor
from latentwatch.review.pages.inbox import said_markup
from latentwatch.review.room import Room, room_of
from latentwatch.review.state import MonitorState, state_of
from latentwatch.review.templating import render

_MOVE_SECONDS, _STATE_SECONDS = 1.0, 5.0
_MISSED_SHOWN = 20
_STOPPED_SECONDS = 120.0
"""An entity whose newest record is older has stopped sending, or the stream has."""
_SPANS = (120, 300, 900)
_SPAN = 300

lead_to_monitor("live", "Live")


@page_at("/live/{name}")
async def live_page(request: Request, name: str, entity: str = "", span: str = "") -> None:
    """One monitor's stream, one entity at a time."""
    room = room_of(request)
    with frame(room, f"{name} live", "/live", name) as queries:
        monitor = await chosen(room, queries, "live", name)
        if monitor is not None:
            await _LiveView(room, queries, monitor, entity, _span(span)).build()


@dataclass(frozen=True, slots=True)
class _Look:
    """What changes slowly."""

    state: MonitorState | None
    entities: tuple[EntityFacts, ...]
    threshold: float | None
    unarmed: str
    """Why there is no threshold; empty where there is one."""


class _LiveView:
    """The page's parts; it holds the points that are drawn, so that each second asks only for newer ones."""

    def __init__(self, room: Room, queries: PageQueries, monitor: Monitor, entity: str, span: int) -> None:
        self.room, self.queries, self.monitor = room, queries, monitor
        self.entity, self.span = entity, span
        self.paused = False
        self.look: _Look | None = None
        self.points: list[TracePoint] = []
        self.features = chosen_features(monitor.record)

    async def build(self) -> None:
        self.head, self.form, self.empty = fragment(), fragment(), fragment()
        self.chart = ui.echart(self._option()).classes("chart")
        self.chart.style(f"height:{trace_height(len(self.features))}px")
        self.foot = fragment()
        self.said, self.missed = fragment('<p class="said" role="status"></p>'), fragment()
        fragment(render("missed_form.html", features=self.features, timed=self.monitor.record.time is not None))
        await self.observe()
        await self.move()
        await self._show_missed()
        ui.on("filters", self._choose)
        ui.on("missed", self._say_missed)
        ui.on("unmissed", self._forget_missed)
        ui.on("pause", self._pause)
        ui.timer(_MOVE_SECONDS, self.move, immediate=False)
        ui.timer(_STATE_SECONDS, self.observe, immediate=False)

    async def observe(self) -> None:
        """Ask what changes slowly: the monitor's state, its entities, the threshold in force."""
        look = await self.queries.ask(_observe, self.room, self.monitor)
        if look is None:
            return
        self.look = look
        if look.entities and self.entity not in {one.entity for one in look.entities}:
            self.entity = max(look.entities, key=lambda one: one.last_time).entity
            self.points = []
        self._show_form()
        if look.state is not None:
            show(self.head, render("live_head.html", name=self.monitor.name, state=look.state))

    async def move(self) -> None:
        """Take newer points in."""
        if self.paused:
            return
        after = self.points[-1].time if self.points else None
        newer = await self.queries.ask(trace, self.room.engine, self.monitor.name, self.entity, self.span, after)
        if newer is None or self.paused:
            return
        if newer:
            self.points = [*self.points, *newer][-self.span :]
            self._draw()
        self._say(self.room.now())

    async def _show_missed(self) -> None:
        found = await self.queries.ask(missed_stretches, self.room.engine, self.monitor.name, _MISSED_SHOWN)
        if found is not None:
            show(self.missed, render("missed.html", stretches=found))

    async def _say_missed(self, event: events.GenericEventArguments) -> None:
        await self._answer(await self.queries.ask(say_missed, self.room, self.monitor, self.entity, event.args))

    async def _forget_missed(self, event: events.GenericEventArguments) -> None:
        await self._answer(await self.queries.ask(forget_missed, self.room, self.monitor, event.args))

    async def _answer(self, done: Done | None) -> None:
        if done is not None:
            show(self.said, said_markup(done))
            await self._show_missed()

    def _draw(self) -> None:
        self.chart.options.clear()
        self.chart.options.update(self._option())
        self.chart.update()

    def _say(self, now: datetime) -> None:
        self.chart.set_visibility(has_course(self.points))
        show(self.empty, self._instead())
        if not self.points:
            show(self.foot, render("nothing.html"))
            return
        age = (now - self.points[-1].time).total_seconds()
        others = [one for one in self.look.entities if one.entity != self.entity] if self.look else []
        hidden = len(self.monitor.record.features) - len(self.features)
        thinned = MOST_POINTS if len(self.points) > MOST_POINTS else 0
        show(
            self.foot,
            render(
                "live_foot.html",
                points=len(self.points),
                thinned=thinned,
                drawn=has_course(self.points),
                newest=self.points[-1].time,
                stopped=age > _STOPPED_SECONDS,
                others_go_on=any((now - one.last_time).total_seconds() <= _STOPPED_SECONDS for one in others),
                hidden=max(0, hidden),
                unarmed=self.look.unarmed if self.look else "",
            ),
        )

    def _instead(self) -> Markup:
        """What stands in the chart's place where there is nothing to draw."""
        if not self.points:
            return render("live_empty.html", entity=self.entity, known=bool(self.look and self.look.entities))
        if has_course(self.points):
            return render("nothing.html")
        newest = self.points[-1]
        return render(
            "live_lone.html",
            points=len(self.points),
            point=newest,
            threshold=self.look.threshold if self.look else None,
            values=[(name, newest.values.get(name)) for name in self.features],
        )

    def _option(self) -> dict[str, object]:
        threshold = self.look.threshold if self.look else None
        return trace_option(self.monitor.record, self.features, self.points, threshold)

    def _show_form(self) -> None:
        known = self.look.entities if self.look else ()
        show(
            self.form,
            render(
                "live_form.html",
                entities=known,
                entity=self.entity,
                span=self.span,
                spans=_SPANS,
                paused=self.paused,
            ),
        )

    async def _choose(self, event: events.GenericEventArguments) -> None:
        said = {name: values[-1] for name, values in parse_qs(str(event.args)[:2000]).items()}
        self.entity, self.span, self.points, self.paused = (
            said.get("entity", ""),
            _span(said.get("span", "")),
            [],
            False,
        )
        self._show_form()
        await self.move()

    async def _pause(self) -> None:
        self.paused = not self.paused
        self._show_form()
        await self.move()


def _observe(room: Room, monitor: Monitor) -> _Look:
    now = room.now()
    facts = monitor_facts(room.engine, monitor.name, now)
    threshold, unarmed = None, "no model serves yet"
    if facts is not None and facts.champion_bundle is not None:
        try:
            threshold, unarmed = room.bundle_cache.detector(facts.champion_bundle).threshold(monitor.alert), ""
        except BundleRefused as error:
            unarmed = str(error)
    return _Look(state_of(facts, now) if facts else None, entities(room.engine, monitor.name), threshold, unarmed)


def _span(text: str) -> int:
    return int(text) if text in {str(span) for span in _SPANS} else _SPAN
