"""Alerts: what needs me? An inbox that works from the keyboard, with its filters in the address."""

from collections.abc import Sequence

from fastapi import Request
from markupsafe import Markup
from nicegui import events, ui

from latentwatch.alerts.monitors import monitors_named
from latentwatch.alerts.reading import incident_inbox
from latentwatch.alerts.reading.glimpses import glimpses_of
from latentwatch.alerts.reading.inbox import COUNT_LIMIT
from latentwatch.alerts.reading.kinds import recurrences_of
from latentwatch.domain.alert import Alert
from latentwatch.domain.counters import units_of
from latentwatch.review.actions import Done
from latentwatch.review.filters import PAGE_SIZE, TIMES, View, view_of, view_of_text
from latentwatch.review.fragment import fragment, show
from latentwatch.review.frame import frame, page_at
from latentwatch.review.incident_actions import act_on_incidents, take_back
from latentwatch.review.monitors import monitor_names
from latentwatch.review.room import Room, room_of
from latentwatch.review.spark import glimpse_spark, in_words
from latentwatch.review.templating import render

_SECONDS = 5.0


@page_at("/alerts")
async def inbox_page(request: Request) -> None:
    """The inbox."""
    room = room_of(request)
    view = view_of(request.query_params)
    with frame(room, "Alerts", "/alerts") as queries:
        head = fragment()
        form = fragment()
        said = fragment('<p class="said" role="status"></p>')
        table = fragment()
        fragment(render("keys.html"))

        async def refresh() -> None:
            content = await queries.ask(inbox_markup, room, view)
            if content is not None:
                show(head, content[0])
                show(table, content[1])

        async def filtered(event: events.GenericEventArguments) -> None:
            nonlocal view
            view = view_of_text(str(event.args))
            await refresh()

        async def acted(event: events.GenericEventArguments) -> None:
            done = await queries.ask(act_on_incidents, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        async def taken_back(event: events.GenericEventArguments) -> None:
            done = await queries.ask(take_back, room, event.args)
            if done is not None:
                show(said, said_markup(done))
                await refresh()

        names = await queries.ask(monitor_names, room)
        show(form, render("inbox_filters.html", view=view, monitors=names or [], times=TIMES, narrowed=view != View()))
        await refresh()
        ui.on("filters", filtered)
        ui.on("incident-act", acted)
        ui.on("undo", taken_back)
        ui.timer(_SECONDS, refresh, immediate=False)


def inbox_markup(room: Room, view: View) -> tuple[Markup, Markup]:
    """The inbox's headline and its table."""
    page = incident_inbox(room.engine, view.filter(room.now()), view.order, view.page * PAGE_SIZE, PAGE_SIZE)
    known = page.total <= COUNT_LIMIT
    total = f"{page.total:,}" if known else f"more than {COUNT_LIMIT:,}"
    narrowed = any((view.monitor, view.entity, view.severity, view.verdict, view.since, view.until, view.silence))
    table = render(
        "inbox.html",
        view=view,
        page=page,
        now=room.now(),
        first=page.offset + 1,
        total=total,
        more=page.total > page.offset + PAGE_SIZE,
        narrowed=narrowed or view.status != "unresolved",
        told=recurrences_of(room.engine, [one.strangest.id for one in page.incidents], room.now()),
        glimpses=_glimpses(room, [one.strangest for one in page.incidents]),
        watched=bool(page.incidents or monitor_names(room)),
    )
    return _headline(view, page.total, total), table


def _glimpses(room: Room, alerts: Sequence[Alert]) -> dict[int, tuple[str, Markup]]:
    """By alert, its first feature's value and what was expected, in words, and its course as a line."""
    units = {
        monitor.name: units_of(monitor.record)
        for monitor in monitors_named(room.engine, {alert.monitor for alert in alerts})
    }
    found = glimpses_of(room.engine, {alert.id: alert.features[0] for alert in alerts if alert.features})
    unit = {alert.id: units.get(alert.monitor, {}).get(alert.features[0], "") for alert in alerts if alert.id in found}
    return {alert: (in_words(one, unit[alert]), glimpse_spark(one, unit[alert])) for alert, one in found.items()}


def said_markup(done: Done) -> Markup:
    """What an action did, for the line that screen readers follow."""
    return render("said.html", done=done)


def _headline(view: View, count: int, total: str) -> Markup:
    noun = "incident" if count == 1 else "incidents"
    kind = {"unresolved": "unresolved ", "any": ""}.get(view.status, f"{view.status} ")
    return render("inbox_head.html", text=f"{total if count else 'No'} {kind}{noun}", order=view.order)
