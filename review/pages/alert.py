"""Alert: what happened, why does it think so, what did it look like before, what was it last time?"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Path, Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.monitors import monitors
from latentwatch.alerts.reading import AlertDetail, MapPoint, alert_detail
from latentwatch.detector.interface import MapGround
from latentwatch.domain.alert import Alert, FlaggedRecord, Verdict
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.monitor import Monitor
from latentwatch.review.actions import Done, act, label
from latentwatch.review.charts.latent import map_option, state_of
from latentwatch.review.charts.thinning import around
from latentwatch.review.charts.trace import DrawnNormal, chosen_features, has_course, trace_height, trace_option
from latentwatch.review.course_lines import course_lines, course_moments
from latentwatch.review.evidence import expected_for, lines, parts
from latentwatch.review.exception_actions import LASTING, Proposed, make_exception, proposed, proposed_with_alike
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.incident_actions import take_back
from latentwatch.review.likeness import seen_before
from latentwatch.review.pages.calming_panel import CalmingPanel
from latentwatch.review.pages.inbox import said_markup
from latentwatch.review.replay import replay
from latentwatch.review.room import Room, room_of
from latentwatch.review.templating import render

_SECONDS = 10.0
_BANDS = 8
_LEGEND = (
    "Shaded upright: flagged. Across: what it showed before the alert. Dashed: what was expected of flagged records. "
    "Of slow sensors the last known value is drawn."
)


@page_at("/alerts/{alert_id:int}")
async def alert_page(request: Request, alert_id: Annotated[int, Path(lt=2**63)], excepting: bool = False) -> None:
    """One alert; with `excepting`, what would keep it and those like it that were called false from coming again."""
    room = room_of(request)
    with frame(room, f"Alert {alert_id}", "/alerts") as queries:
        found = await queries.ask(_ask, room, alert_id)
        if found is None:
            ui.timer(2.0, ui.navigate.reload, once=True)
            return
        detail, monitor = found
        if detail is None:
            fragment(render("empty.html", what=f"There is no alert {alert_id}.", then="/alerts", word="All alerts"))
            return
        view = _AlertView(room, queries, detail, monitor)
        view.build()
        if excepting:
            ui.timer(0.1, view.propose_with_alike, once=True)


def _ask(room: Room, alert_id: int) -> tuple[AlertDetail | None, Monitor | None]:
    detail = alert_detail(room.engine, alert_id)
    if detail is None:
        return None, None
    named = {monitor.name: monitor for monitor in monitors(room.engine)}
    return detail, named.get(detail.alert.monitor)


class _AlertView:
    """The parts of the page, refreshed together."""

    def __init__(self, room: Room, queries: PageQueries, detail: AlertDetail, monitor: Monitor | None) -> None:
        self.room, self.queries, self.detail, self.monitor = room, queries, detail, monitor
        self.schema = monitor.record if monitor else None

    def build(self) -> None:
        self.head = fragment()
        self.said = fragment('<p class="said" role="status"></p>')
        with ui.element("div").classes("columns"):
            with ui.element("div"):
                self.chart: ui.echart | None = None
                self.around = ui.element("div")
                self._draw_trace()
                self.course = fragment()
                self.evidence = fragment()
                if self.detail.peak is not None:
                    CalmingPanel(self.room, self.queries, self.detail.alert.id, self.detail.alert.features)
            with ui.element("div").classes("side"):
                fragment(render("label_form.html", alert=self.detail.alert.id, causes=self._causes()))
                self.offered = fragment()
                self.seen = fragment()
                ui.timer(0.1, self._look_back, once=True)
                self.side = fragment()
                if self.detail.peak is not None:
                    self._build_replay()
                    self.place = ui.element("div")
                    ui.timer(0.1, self._place, once=True)
        fragment(render("keys.html"))
        self._show()
        self._offer(None)
        ui.on("exceptions-propose", self._propose)
        ui.on("except", self._except)
        ui.on("alert-act", self._acted)
        ui.on("alert-label", self._labelled)
        ui.on("undo", self._taken_back)
        ui.timer(_SECONDS, self.refresh, immediate=False)

    async def refresh(self) -> None:
        found = await self.queries.ask(alert_detail, self.room.engine, self.detail.alert.id)
        if found is None:
            return
        grown = (len(found.trace), found.trace[-1:]) != (len(self.detail.trace), self.detail.trace[-1:])
        self.detail = found
        self._show()
        if grown:
            self._draw_trace()

    def _show(self) -> None:
        detail = self.detail
        show(
            self.head,
            render(
                "alert_head.html", alert=detail.alert, peak=detail.peak, incident=detail.incident, others=detail.others
            ),
        )
        show(
            self.side,
            render(
                "alert_side.html",
                alert=detail.alert,
                peak=detail.peak,
                previous=detail.previous,
                events=detail.events,
                labels=detail.labels,
                opened=detail.opened,
                former=detail.former,
            ),
        )
        show(self.course, course_markup(detail, self.monitor))
        show(self.evidence, evidence_markup(detail, self.monitor))

    def _causes(self) -> list[str]:
        return sorted({said.cause for _, said in self.detail.previous if said and said.cause})

    def _draw_trace(self) -> None:
        alert = self.detail.alert
        points = around(self.detail.trace, alert.started, alert.ended)
        if self.schema is None or not has_course(points):  # the evidence shows the values of one alone
            return
        features = chosen_features(self.schema, alert.features)[:_BANDS]
        added = {one.time: {part.name: part.value for part in parts(one)} for one in self.detail.flagged}
        option = trace_option(self.schema, features, points, alert.threshold, added, self._normal())
        if self.chart is not None:
            self.chart.options.update(option)
            self.chart.update()
            return
        with self.around:
            fragment("<h2>Before, during and after</h2>")
            self.chart = ui.echart(option).classes("chart").style(f"height:{trace_height(len(features))}px")
            fragment(render("muted.html", text=_LEGEND))

    def _normal(self) -> DrawnNormal:
        """What its features showed before, and what was expected of them at flagged records."""
        course = self.detail.course
        told = {} if course is None else course.features
        return DrawnNormal(
            {name: (one.usual.low, one.usual.high) for name, one in told.items() if one.usual},
            {one.time: one.explanation.expected for one in self.detail.flagged},
        )

    def _build_replay(self) -> None:
        async def check() -> None:
            button.disable()
            done = await self.queries.ask(replay_done, self.room, self.detail)
            button.enable()
            if done is not None:
                show(answer, said_markup(done))

        button = (
            ui.button("Replay the decision", on_click=check, color=None).props("flat no-caps").classes("button replay")
        )
        answer = fragment('<p class="said small"></p>')
        alert = self.detail.alert
        fragment(render("alert_versions.html", monitor=alert.monitor, alert=alert.id))

    async def _look_back(self) -> None:
        if self.detail.peak is None:
            return
        found = await self.queries.ask(seen_before, self.room.engine, self.room.likenesses, self.detail.alert.id)
        if found is not None:
            show(self.seen, render("similar.html", found=found))

    async def _place(self) -> None:
        peak = self.detail.peak
        if peak is None:
            return
        ground = await self.queries.ask(ground_of, self.room, peak.bundle)
        with self.place:
            fragment("<h2>Where it lies</h2>")
            if isinstance(ground, str):
                fragment(render("muted.html", text=ground))
                return
            option = map_option(ground, self._points(), brush=False, here=None)
            ui.echart(option).classes("chart").style("height:260px")
            fragment(render("muted.html", text=_place_in_words(ground, self._point(peak))))

    def _points(self) -> list[MapPoint]:
        return [self._point(one) for one in self.detail.flagged]

    def _point(self, one: FlaggedRecord) -> MapPoint:
        alert, place = self.detail.alert, one.explanation.place
        return MapPoint(
            alert.id,
            one.entity,
            one.time,
            one.surprise,
            alert.severity,
            alert.verdict,
            place,
            one.reconstruction,
            one.threshold,
        )

    async def _acted(self, event: events.GenericEventArguments) -> None:
        await self._judged(await self.queries.ask(act, self.room, self._mine(event)))

    async def _labelled(self, event: events.GenericEventArguments) -> None:
        """Cause and note, beside the verdict that is there."""
        verdict = self.detail.alert.verdict
        said = {**self._mine(event), "verdict": "" if verdict is None else verdict.value}
        await self._judged(await self.queries.ask(label, self.room, said))

    async def _judged(self, done: Done | None) -> None:
        """Say what was done; an alert that has become a false alarm is offered what would keep those like it away."""
        before = self.detail.alert.verdict
        self._tell(done)
        await self.refresh()
        if self.detail.alert.verdict is before:
            return
        self._offer(None)
        if self.detail.alert.verdict is Verdict.FALSE:
            found = await self.queries.ask(proposed, self.room, self.detail.alert)
            if found is not None:
                self._offer(found)

    async def _taken_back(self, event: events.GenericEventArguments) -> None:
        self._tell(await self.queries.ask(take_back, self.room, event.args))
        await self.refresh()

    def _offer(self, found: Proposed | None) -> None:
        """What could be excepted, where the alert has records and nobody confirmed it."""
        alert = self.detail.alert
        if self.detail.peak is None or alert.verdict is Verdict.TRUE:
            show(self.offered, Markup(""))
            return
        show(self.offered, render("proposals.html", asked=found is not None, found=found, lasting=LASTING))

    async def propose_with_alike(self) -> None:
        """Offer what would cover it and those like it that people called false."""
        await self._ask_proposals(proposed_with_alike)

    async def _propose(self, _: events.GenericEventArguments) -> None:
        await self._ask_proposals(proposed)

    async def _ask_proposals(self, asked: Callable[[Room, Alert], Proposed]) -> None:
        self._tell(Done("Looking at the past alerts …"))
        found = await self.queries.ask(asked, self.room, self.detail.alert)
        if found is not None:
            self._tell(Done(""))
            self._offer(found)

    async def _except(self, event: events.GenericEventArguments) -> None:
        done = await self.queries.ask(make_exception, self.room, self.detail.alert, event.args)
        self._tell(done)
        await self.refresh()
        if done is not None and not done.refused:
            self._offer(None)

    def _mine(self, event: events.GenericEventArguments) -> dict[str, object]:
        """What the browser sent, about this page's alert whatever it says."""
        said = event.args if isinstance(event.args, dict) else {}
        return {**said, "id": self.detail.alert.id}

    def _tell(self, done: Done | None) -> None:
        if done is not None:
            show(self.said, said_markup(done))


def _place_in_words(ground: MapGround | None, peak: MapPoint) -> str:
    """What the map says of the strangest record."""
    state = state_of(ground, peak)
    if not state:
        return "Shaded: where normal records lie on the latent map. Marks: this alert's records."
    return (
        f"The strangest record: {state}. Shaded: where 80 and 95 % of normal records lie on the latent map. Marks: this"
        " alert's records; the wider the ring around one, the less its readings fit each other."
    )


def course_markup(detail: AlertDetail, monitor: Monitor | None) -> Markup:
    """What happened over the alert's whole course."""
    if detail.course is None or not detail.alert.records:
        return Markup("")
    guilty, rest = course_lines(detail.course, monitor.record if monitor else None)
    return render(
        "course.html",
        moments=course_moments(detail.alert, detail.course),
        guilty=guilty,
        rest=rest,
        top=max([1e-9, *(line.share for line in guilty)]),
    )


def evidence_markup(detail: AlertDetail, monitor: Monitor | None) -> Markup:
    """Why the strangest record was flagged."""
    peak = detail.peak
    if peak is None:
        return Markup("")
    guilty, rest = lines(peak, monitor.record if monitor else None)
    shares = [line.share for line in (*guilty, *rest)]
    return render(
        "evidence.html",
        peak=peak,
        folded=detail.course is not None,
        guilty=guilty,
        rest=rest,
        top=max([*shares, 1e-9]),
        total=sum(shares),
        parts=parts(peak),
        scale=max(peak.threshold * 1.25, peak.surprise),
        columns=[line.name for line in guilty],
        expected_for=expected_for(peak, monitor.record.timezone if monitor else "UTC"),
    )


def ground_of(room: Room, bundle: str) -> MapGround | str:
    """The map of a bundle, or a sentence saying why there is none."""
    try:
        return room.bundle_cache.detector(bundle).map_ground()
    except BundleRefused as error:
        return f"What is shown was stored when it was flagged; it no longer replays, and has no map: {error}"


def replay_done(room: Room, detail: AlertDetail) -> Done:
    """The strangest record scored again by the bundle that flagged it."""
    if detail.peak is None:
        return Done("this alert has no record to replay", refused=True)
    try:
        found = replay(room.bundle_cache.detector(detail.peak.bundle), detail.peak)
    except BundleRefused as error:
        return Done(f"what is shown was stored when it was flagged; it no longer replays: {error}", refused=True)
    if found.agrees:
        return Done(f"Replayed with bundle {detail.peak.bundle[:12]}: surprise {found.replayed:.4f}, as stored.")
    return Done(
        f"the bundle gives {found.replayed:.4f} where {found.stored:.4f} was stored; the stored input or bundle is damaged",
        refused=True,
    )
