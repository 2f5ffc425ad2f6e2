"""The JSON API: everything that the pages show, for programs. Every answer is bounded."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from latentwatch.alerts import reviewing
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.reading import alert_detail, dead_letters, entities, inbox, message_counts, open_alerts, trace
from latentwatch.alerts.reading.kinds import recurrences_of
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.steps import answer
from latentwatch.alerts.unread_values import unread_fields
from latentwatch.domain.errors import NotFound
from latentwatch.domain.steps import StepAnswer
from latentwatch.review import schemas
from latentwatch.review.alert_query import AlertQuery, Moment
from latentwatch.review.comparing_api import monitor_router as comparing_monitor_router
from latentwatch.review.comparing_api import router as comparing_router
from latentwatch.review.dead_schemas import DeadLetterOut, DeadLetterPageOut, UnreadFieldOut
from latentwatch.review.exceptions_api import router as exceptions_router
from latentwatch.review.incident_map_api import router as incident_map_router
from latentwatch.review.kind_schemas import RecurrenceOut
from latentwatch.review.labels_api import router as labels_router
from latentwatch.review.latent_map import latent_map
from latentwatch.review.likeness_api import router as likeness_router
from latentwatch.review.missed_api import router as missed_router
from latentwatch.review.room import InRoom
from latentwatch.review.segments_api import router as segments_router
from latentwatch.review.silences_api import router as silences_router
from latentwatch.review.state import monitor_states
from latentwatch.review.states_api import router as states_router
from latentwatch.review.whatif_api import router as whatif_router

router = APIRouter(prefix="/api")

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
Limit = Annotated[int, Query(ge=1, le=200)]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
AlertNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]
Offset = Annotated[int, Query(ge=0, le=10_000)]


@router.get("/healthz", tags=["health"])
def healthz(room: InRoom) -> schemas.HealthOut:
    """200 when the database answers, 503 with a reason when it does not. Needs no login."""
    open_alerts(room.engine)
    return schemas.HealthOut(status="ok")


@router.get("/monitors", tags=["monitors"])
def get_monitors(room: InRoom) -> list[schemas.MonitorOut]:
    """Every monitor and what it is doing, worst first."""
    return [schemas.MonitorOut.of(state) for state in monitor_states(room)]


@router.get("/monitors/{monitor}/entities", tags=["monitors"])
def get_entities(
    room: InRoom, monitor: str, limit: Annotated[int, Query(ge=1, le=500)] = 500
) -> list[schemas.EntityOut]:
    """A monitor's entities, by name; where there are more than `limit`, those heard of last."""
    _known(room, monitor)
    return [schemas.EntityOut.model_validate(one) for one in entities(room.engine, monitor, limit)]


@router.get("/monitors/{monitor}/trace", tags=["monitors"])
def get_trace(
    room: InRoom,
    monitor: str,
    entity: str = "",
    limit: Annotated[int, Query(ge=1, le=2000)] = 300,
    after: Moment | None = None,
) -> list[schemas.TraceOut]:
    """An entity's latest sampled records in time order."""
    _known(room, monitor)
    return [schemas.TraceOut.of(point) for point in trace(room.engine, monitor, entity, limit, after)]


@router.get("/monitors/{monitor}/models", tags=["models"])
def get_models(room: InRoom, monitor: str, limit: Limit = 50) -> list[schemas.ModelOut]:
    """A monitor's model versions, newest first, with evaluation and the judge's reasons."""
    _known(room, monitor)
    return [schemas.ModelOut.of(version) for version in ModelRegistry(room.engine).versions(monitor, limit)]


@router.post("/monitors/{monitor}/models/rollback", tags=["models"])
def post_rollback(room: InRoom, monitor: str, signed: schemas.SignedIn) -> schemas.ModelOut:
    """Have the former champion serve again; 422 where there is none."""
    _known(room, monitor)
    reason = _signed("rolled back", signed)
    return schemas.ModelOut.of(ModelRegistry(room.engine, room.clock).rollback(monitor, reason))


@router.post("/monitors/{monitor}/models/{version}/promote", tags=["models"])
def post_promote(room: InRoom, monitor: str, version: Version, signed: schemas.SignedIn) -> schemas.ModelOut:
    """Have a version serve, whatever the judge said of it; 422 where it was refused."""
    _known(room, monitor)
    reason = _signed("promoted", signed)
    return schemas.ModelOut.of(ModelRegistry(room.engine, room.clock).promote(monitor, version, reason))


@router.post("/monitors/{monitor}/models/{version}/restore", tags=["models"])
def post_restore(room: InRoom, monitor: str, version: Version, signed: schemas.SignedIn) -> schemas.ModelOut:
    """Take a version's refusal back; 422 where it is not refused. It serves at once where no other does."""
    _known(room, monitor)
    reason = _signed("refusal taken back", signed)
    return schemas.ModelOut.of(ModelRegistry(room.engine, room.clock).restore(monitor, version, reason))


@router.get("/monitors/{monitor}/map", tags=["models"])
def get_map(
    room: InRoom, monitor: str, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> schemas.MapOut:
    """A model version's latent map, the champion's unless asked: where normal records lie, and where flagged ones fell."""
    _known(room, monitor)
    if version is not None:
        ModelRegistry(room.engine).version(monitor, version)
    drawn = latent_map(room, monitor, version)
    ground = drawn.ground
    return schemas.MapOut(
        model_version=drawn.version.version if drawn.version else None,
        ground=schemas.GroundOut(
            x=ground.x.tolist(),
            y=ground.y.tolist(),
            density=ground.density.tolist(),
            contours=ground.contours.tolist(),
        )
        if ground
        else None,
        problem=drawn.problem,
        points=[schemas.PlaceOut.of(point) for point in drawn.points],
    )


@router.get("/monitors/{monitor}/dead-letters", tags=["monitors"])
def get_dead_letters(room: InRoom, monitor: str, limit: Limit = 50, offset: Offset = 0) -> DeadLetterPageOut:
    """Messages that could not become records, latest first, with their reasons."""
    _known(room, monitor)
    page = dead_letters(room.engine, monitor, offset, limit)
    letters = [DeadLetterOut.of(letter, created) for letter, created in page.letters]
    return DeadLetterPageOut(letters=letters, offset=page.offset, more=page.more)


@router.get("/monitors/{monitor}/unread-values", tags=["monitors"])
def get_unread_values(room: InRoom, monitor: str) -> list[UnreadFieldOut]:
    """Fields whose values could not be read in some messages, which were scored without them; the latest first."""
    _known(room, monitor)
    return [UnreadFieldOut.model_validate(field) for field in unread_fields(room.engine, monitor)]


@router.get("/monitors/{monitor}/messages", tags=["monitors"])
def get_messages(room: InRoom, monitor: str) -> schemas.MessagesOut:
    """What became of the messages that were read: scored, aligned into rows, passed over or dead; `read` is their sum."""
    _known(room, monitor)
    return schemas.MessagesOut.of(message_counts(room.engine, monitor))


@router.get("/alerts", tags=["alerts"])
def get_alerts(room: InRoom, query: Annotated[AlertQuery, Query()]) -> schemas.AlertPageOut:
    """Alerts that match every filter given."""
    page = inbox(room.engine, query.filter(), query.order, query.offset, query.limit)
    kinds = recurrences_of(room.engine, [alert.id for alert in page.alerts], room.now())
    return schemas.AlertPageOut(
        alerts=[schemas.AlertOut.of(alert) for alert in page.alerts],
        total=page.total,
        offset=page.offset,
        kinds={number: RecurrenceOut.model_validate(told) for number, told in kinds.items()},
    )


@router.get("/alerts/{alert}", tags=["alerts"])
def get_alert(room: InRoom, alert: AlertNumber) -> schemas.AlertDetailOut:
    """One alert: its records and explanations, the trace around it, labels, history, earlier alerts."""
    detail = alert_detail(room.engine, alert)
    if detail is None:
        raise NotFound(f"there is no alert {alert}; GET /api/alerts lists those there are")
    return schemas.AlertDetailOut.of(detail)


@router.post("/alerts/{alert}/labels", tags=["alerts"], status_code=201)
def post_label(room: InRoom, alert: AlertNumber, label: schemas.LabelIn) -> schemas.LabelOut:
    """Give a verdict. True and false close the alert; earlier verdicts stay in its history."""
    given = reviewing.label(room.engine, alert, label.verdict, label.author, label.cause, label.note, clock=room.clock)
    return schemas.LabelOut.of(given)


@router.post("/alerts/{alert}/acknowledge", tags=["alerts"])
def post_acknowledge(room: InRoom, alert: AlertNumber, signed: schemas.SignedIn) -> schemas.StatusOut:
    """Say that somebody looks at it."""
    status = reviewing.acknowledge(room.engine, alert, signed.author, signed.note, clock=room.clock)
    return schemas.StatusOut(id=alert, status=status)


@router.post("/alerts/{alert}/close", tags=["alerts"])
def post_close(room: InRoom, alert: AlertNumber, signed: schemas.SignedIn) -> schemas.StatusOut:
    """Put it away without a verdict."""
    status = reviewing.close(room.engine, alert, signed.author, signed.note, clock=room.clock)
    return schemas.StatusOut(id=alert, status=status)


@router.post("/alerts/{alert}/reopen", tags=["alerts"])
def post_reopen(room: InRoom, alert: AlertNumber, signed: schemas.SignedIn) -> schemas.StatusOut:
    """Bring it back into the inbox; labels stay."""
    status = reviewing.reopen(room.engine, alert, signed.author, signed.note, clock=room.clock)
    return schemas.StatusOut(id=alert, status=status)


router.include_router(comparing_router)
router.include_router(comparing_monitor_router)
router.include_router(exceptions_router)
router.include_router(labels_router)
router.include_router(missed_router)
router.include_router(segments_router)
router.include_router(silences_router)
router.include_router(incident_map_router)
router.include_router(states_router)
router.include_router(whatif_router)
router.include_router(likeness_router)


@router.post("/alerts/{alert}/accept", tags=["alerts"])
def post_accept(room: InRoom, alert: AlertNumber, signed: schemas.SignedIn) -> schemas.AnsweredOut:
    """Answer that a lasting change is the new normal; 422 where the alert asks nothing, or was answered otherwise."""
    given = answer(room.engine, alert, StepAnswer.ACCEPT, signed.author, signed.note, clock=room.clock)
    return schemas.AnsweredOut(id=alert, answer=given)


@router.post("/alerts/{alert}/keep", tags=["alerts"])
def post_keep(room: InRoom, alert: AlertNumber, signed: schemas.SignedIn) -> schemas.AnsweredOut:
    """Answer that a lasting change is to go on alarming; 422 as for accept."""
    given = answer(room.engine, alert, StepAnswer.KEEP, signed.author, signed.note, clock=room.clock)
    return schemas.AnsweredOut(id=alert, answer=given)


@router.api_route("", methods=_METHODS, include_in_schema=False)
@router.api_route("/{rest:path}", methods=_METHODS, include_in_schema=False)
def nothing_here(rest: str = "") -> None:
    """Programs are answered in JSON also where nothing is."""
    raise NotFound(f"nothing answers like this at /api/{rest}; /api/openapi.json describes what does")


def _signed(done: str, signed: schemas.SignedIn) -> str:
    """What was done, by whom and why, as the registry keeps it."""
    return f"{done} by {signed.author}" + (f": {signed.note}" if signed.note else "")


def _known(room: InRoom, monitor: str) -> None:
    """Raises NotFound for a monitor that nobody registered."""
    registered_monitor(room.engine, monitor)
