"""The JSON API of incidents, and of what is done to many alerts at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Path, Query

from latentwatch.alerts.bulk_review import MOST_AT_ONCE, BulkAction, Said, act_on_many, undo
from latentwatch.alerts.incident_review import alerts_of_incident, put_together, split_off
from latentwatch.alerts.reading import incident_events, incident_inbox, incident_of
from latentwatch.alerts.reading.inbox import numbers_of
from latentwatch.alerts.reading.kinds import recurrences_of
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.review.alert_query import AlertQuery
from latentwatch.review.incident_schemas import (
    ActionIn,
    AssignIn,
    AuthorIn,
    BulkIn,
    BulkOut,
    CommentIn,
    IncidentEventOut,
    IncidentOut,
    IncidentPageOut,
    MergeIn,
    SnoozeIn,
    SplitIn,
)
from latentwatch.review.kind_schemas import RecurrenceOut
from latentwatch.review.room import InRoom

incident_router = APIRouter(prefix="/api")


@contextmanager
def _named_in_the_body() -> Iterator[None]:
    """The address is right where a number in the body is not: 422, not 404."""
    try:
        yield
    except NotFound as error:
        raise InvalidInput(str(error)) from None


IncidentNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


@incident_router.get("/incidents", tags=["incidents"])
def get_incidents(room: InRoom, query: Annotated[AlertQuery, Query()]) -> IncidentPageOut:
    """Incidents with an alert that matches every filter given."""
    page = incident_inbox(room.engine, query.filter(), query.order, query.offset, query.limit)
    kinds = recurrences_of(room.engine, [one.strangest.id for one in page.incidents], room.now())
    return IncidentPageOut(
        incidents=[IncidentOut.of(one) for one in page.incidents],
        total=page.total,
        offset=page.offset,
        kinds={
            one.id: RecurrenceOut.model_validate(kinds[one.strangest.id])
            for one in page.incidents
            if one.strangest.id in kinds
        },
    )


@incident_router.get("/incidents/{incident}", tags=["incidents"])
def get_incident(room: InRoom, incident: IncidentNumber) -> IncidentOut:
    """One incident with its alerts in order of onset."""
    found = incident_of(room.engine, incident)
    if found is None:
        raise NotFound(f"there is no incident {incident}; GET /api/incidents lists those there are")
    return IncidentOut.of(found)


@incident_router.post("/incidents/{incident}/actions", tags=["incidents"])
def post_incident_action(room: InRoom, incident: IncidentNumber, said: ActionIn) -> BulkOut:
    """Acknowledge, snooze, assign, comment, close, reopen or label all its alerts; 422 where there are more than 500."""
    alerts = alerts_of_incident(room.engine, incident)
    return BulkOut.of(act_on_many(room.engine, alerts, said.action, said.said(), room.clock))


@incident_router.get("/incidents/{incident}/events", tags=["incidents"])
def get_incident_events(room: InRoom, incident: IncidentNumber) -> list[IncidentEventOut]:
    """What happened to its alerts lately, oldest first: who did what, comments, how it ended."""
    get_incident(room, incident)
    return [IncidentEventOut.model_validate(each) for each in incident_events(room.engine, incident)]


@incident_router.post("/alerts/{alert}/snooze", tags=["alerts"])
def post_snooze(room: InRoom, alert: IncidentNumber, said: SnoozeIn) -> BulkOut:
    """Put it off until a time, or until it is over; it is open again before that where it becomes critical."""
    asked = Said(said.author, note=said.note, until=said.until)
    return BulkOut.of(act_on_many(room.engine, [alert], BulkAction.SNOOZE, asked, room.clock))


@incident_router.post("/alerts/{alert}/assign", tags=["alerts"])
def post_assign(room: InRoom, alert: IncidentNumber, said: AssignIn) -> BulkOut:
    """Say who takes care of it."""
    asked = Said(said.author, note=said.note, assignee=said.assignee)
    return BulkOut.of(act_on_many(room.engine, [alert], BulkAction.ASSIGN, asked, room.clock))


@incident_router.post("/alerts/{alert}/comments", tags=["alerts"], status_code=201)
def post_comment(room: InRoom, alert: IncidentNumber, said: CommentIn) -> BulkOut:
    """Write something into its history, where it stays."""
    asked = Said(said.author, note=said.note)
    return BulkOut.of(act_on_many(room.engine, [alert], BulkAction.COMMENT, asked, room.clock))


@incident_router.post("/incidents/{incident}/split", tags=["incidents"])
def post_split(room: InRoom, incident: IncidentNumber, said: SplitIn) -> IncidentOut:
    """Make some of its alerts an incident of their own, which later alerts do not join; answers the new one."""
    return get_incident(room, split_off(room.engine, incident, said.alerts, said.author, room.clock))


@incident_router.post("/incidents/merge", tags=["incidents"])
def post_merge(room: InRoom, said: MergeIn) -> IncidentOut:
    """Make several incidents one, of one monitor or of several."""
    with _named_in_the_body():
        number = put_together(room.engine, said.incidents, said.author, room.clock)
    return get_incident(room, number)


@incident_router.post("/alerts/bulk", tags=["alerts"])
def post_bulk(room: InRoom, said: BulkIn) -> BulkOut:
    """Do one thing to up to 500 alerts, all or nothing; the answer says how to undo it."""
    alerts = said.ids
    if alerts is None:
        assert said.filter is not None
        alerts = numbers_of(room.engine, said.filter.filter(), MOST_AT_ONCE + 1)
    with _named_in_the_body():
        done = act_on_many(room.engine, alerts, said.action, said.said(), room.clock)
    return BulkOut.of(done)


@incident_router.post("/bulk-actions/{action}/undo", tags=["alerts"])
def post_undo(room: InRoom, action: IncidentNumber, said: AuthorIn) -> BulkOut:
    """Give the alerts back the status, verdict and assignee they had; those that somebody changed since stay as they are."""
    return BulkOut.of(undo(room.engine, action, said.author, room.clock))
