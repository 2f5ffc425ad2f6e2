"""What the HTTP API sends and takes."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from latentwatch.alerts.reading import AlertDetail, MapPoint, MessageCounts
from latentwatch.domain.alert import Alert, AlertKind, AlertStatus, Label, Severity, Verdict
from latentwatch.domain.model import ModelVersion, VersionStatus
from latentwatch.domain.steps import StepAnswer
from latentwatch.review.course_schemas import CourseOut
from latentwatch.review.course_schemas import TraceOut as TraceOut
from latentwatch.review.flagged_schemas import Answer, FlaggedOut, FormerDecisionOut
from latentwatch.review.kind_schemas import RecurrenceOut
from latentwatch.review.promise import Promise
from latentwatch.review.state import MonitorState


class PromiseOut(Answer):
    """Realised against promised false alarms; per day, or as a share of records."""

    per_day: bool
    promised: float
    realised: float
    interval: tuple[float, float]
    refuted: float
    days: float
    scored: int
    episodes: int
    confirmed: int
    false_episodes: int
    broken: bool
    unreviewed: bool
    scope: str = Field(description="whose alarms a day are promised, where training knew several entities")
    other: str = Field(description="the same promise in the other unit; empty where the evaluation does not say")

    @classmethod
    def of(cls, promise: Promise) -> Self:
        return cls.model_validate(promise)


class MessagesOut(Answer):
    """What became of a monitor's messages, each counted once."""

    scored: int
    aligned: int
    passed: int
    dead: int
    read: int

    @classmethod
    def of(cls, counts: MessageCounts) -> Self:
        return cls.model_validate(counts)


class MonitorOut(Answer):
    """One monitor's line of the overview."""

    name: str
    state: str
    sentence: str
    records_per_second: float | None
    lag: int | None
    records: int
    newest: datetime | None
    last_commit: datetime | None
    entities: int
    warming: int
    stopped_sending: int
    missed_run: int = Field(description="entities of which a run is overdue")
    open_alerts: dict[Severity, int]
    model_version: int | None
    model_promoted: datetime | None
    false_alarms_day: PromiseOut
    false_alarms_model: PromiseOut
    dead_letters_day: int
    messages: MessagesOut

    @classmethod
    def of(cls, state: MonitorState) -> Self:
        facts = state.facts
        return cls(
            name=facts.monitor.name,
            state=state.word.value,
            sentence=state.sentence,
            records_per_second=state.records_per_second,
            lag=state.lag,
            records=facts.records,
            newest=facts.newest,
            last_commit=facts.last_commit,
            entities=facts.entities,
            warming=facts.warming,
            stopped_sending=facts.stopped,
            missed_run=facts.missing,
            open_alerts=facts.open_by_severity,
            model_version=facts.champion,
            model_promoted=facts.promoted,
            false_alarms_day=PromiseOut.of(state.day),
            false_alarms_model=PromiseOut.of(state.tenure),
            dead_letters_day=facts.dead_letters_day,
            messages=MessagesOut.of(facts.messages),
        )


class EntityOut(Answer):
    """One entity of a monitor."""

    entity: str
    partition: int
    last_time: datetime
    records: int
    warming: bool


class CrossingOut(Answer):
    """A value beyond a limit that somebody set."""

    feature: str
    value: float
    limit: float
    unit: str


class MovedFeatureOut(Answer):
    """A feature whose mean is another one than before."""

    feature: str
    before: float
    now: float
    unit: str


class LastingChangeOut(Answer):
    """A change that has lasted until it is usual: is it the new normal?"""

    since: datetime
    asked: datetime = Field(description="event time at which it was asked last")
    moved: tuple[MovedFeatureOut, ...]
    accepted: bool = Field(description="whether the monitor accepts such changes, so that nobody is asked")
    in_words: str


class AlertOut(Answer):
    """Consecutive flagged records of one entity."""

    id: int
    monitor: str
    entity: str
    kind: AlertKind
    status: AlertStatus
    severity: Severity
    started: datetime
    ended: datetime
    records: int
    peak_surprise: float
    threshold: float
    model_version: int
    features: tuple[str, ...]
    verdict: Verdict | None
    summary: str = Field(description="what happened over its course, where the features do not say it; else empty")
    crossed: tuple[CrossingOut, ...] = Field(description="limits that its records crossed, first crossing each")
    at_stake: float = Field(description="by the monitor's weight; 0 where it says nothing")
    stake_named: str = Field(description="what that number counts, such as 'EUR of amount'; empty for a weight")
    silence: int | None = Field(description="the silence that hid it when it opened")
    over: bool = Field(description="the entity has been normal since, or sends again")
    step: LastingChangeOut | None = Field(description="the lasting change that it asks about")
    answer: StepAnswer | None = Field(description="what people said of that: accept, keep, or nothing yet")
    assignee: str = Field(description="who takes care of it; empty for nobody")
    snoozed_until: datetime | None = Field(description="when it is open again; null while snoozed: once it is over")

    @classmethod
    def of(cls, alert: Alert) -> Self:
        return cls.model_validate(alert)


class AlertPageOut(BaseModel):
    """A page of alerts."""

    alerts: list[AlertOut]
    total: int
    """Exact up to 10,000; 10,001 means more."""
    offset: int
    kinds: dict[int, RecurrenceOut] = Field(
        description="by alert, what is known of its kind; absent of those without features"
    )


class LabelOut(Answer):
    """A verdict."""

    alert: int
    verdict: Verdict
    author: str
    cause: str
    note: str
    created: datetime

    @classmethod
    def of(cls, label: Label) -> Self:
        return cls.model_validate(label)


class EventOut(Answer):
    """Something that happened to an alert."""

    kind: str
    author: str
    note: str
    created: datetime


class PreviousOut(BaseModel):
    """An earlier alert of the same entity and what people said of it."""

    alert: AlertOut
    label: LabelOut | None


class AlertDetailOut(BaseModel):
    """One alert with what is needed to understand it."""

    alert: AlertOut
    opened: datetime
    peak: FlaggedOut | None
    flagged: list[FlaggedOut]
    trace: list[TraceOut]
    labels: list[LabelOut]
    events: list[EventOut]
    previous: list[PreviousOut]
    former: list[FormerDecisionOut] = Field(description="decisions that late records amended, oldest first")
    course: CourseOut | None = Field(description="what its features did over its whole course, where that was told")

    @classmethod
    def of(cls, detail: AlertDetail) -> Self:
        return cls(
            alert=AlertOut.of(detail.alert),
            opened=detail.opened,
            peak=FlaggedOut.of(detail.peak) if detail.peak else None,
            flagged=[FlaggedOut.of(one) for one in detail.flagged],
            trace=[TraceOut.of(one) for one in detail.trace],
            labels=[LabelOut.of(one) for one in detail.labels],
            events=[EventOut.model_validate(one) for one in detail.events],
            previous=[
                PreviousOut(alert=AlertOut.of(alert), label=LabelOut.of(label) if label else None)
                for alert, label in detail.previous
            ],
            former=[FormerDecisionOut.of(one) for one in detail.former],
            course=None if detail.course is None else CourseOut.of(detail.course),
        )


class LabelIn(BaseModel):
    """A verdict to be given."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    author: str = Field(min_length=1, max_length=100)
    cause: str = Field(default="", max_length=200)
    note: str = Field(default="", max_length=4000)


class SignedIn(BaseModel):
    """Who does it, and why."""

    model_config = ConfigDict(extra="forbid")

    author: str = Field(min_length=1, max_length=100)
    note: str = Field(default="", max_length=4000)


class StatusOut(BaseModel):
    """An alert's status after an action."""

    id: int
    status: AlertStatus


class AnsweredOut(BaseModel):
    """What an alert's question was answered."""

    id: int
    answer: StepAnswer


class EvaluationOut(Answer):
    """How a model did on data it never saw."""

    promised_rate: float
    realised_rate: float
    realised_interval: tuple[float, float]
    holdout_records: int
    faults_planted: int
    faults_found: int
    recall_by_fault: dict[str, float]
    details: dict[str, Any]


class ModelOut(Answer):
    """One model version."""

    monitor: str
    version: int
    bundle: str
    status: VersionStatus
    kind: str
    created: datetime
    promoted: datetime | None
    trained_records: int
    history_start: datetime | None
    history_end: datetime | None
    evaluation: EvaluationOut | None
    reasons: tuple[str, ...]
    training_digest: str | None = Field(description="of the history and settings it was trained on")

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        return cls.model_validate(version)


class PlaceOut(Answer):
    """A flagged record on the map."""

    alert: int
    entity: str
    time: datetime
    surprise: float
    severity: Severity
    verdict: Verdict | None
    place: tuple[float, float]
    reconstruction: float
    threshold: float

    @classmethod
    def of(cls, point: MapPoint) -> Self:
        return cls.model_validate(point)


class GroundOut(BaseModel):
    """Density of normal records: `density[row][column]` at (`x[column]`, `y[row]`), 0 to 1; `contours` are the densities that
    80 and 95 % of them reach, none where that was not measured."""

    x: list[float]
    y: list[float]
    density: list[list[float]]
    contours: list[float]


class MapOut(BaseModel):
    """The champion's latent map. Without a ground, `problem` says why."""

    model_version: int | None
    ground: GroundOut | None
    problem: str
    points: list[PlaceOut]


class HealthOut(BaseModel):
    """Whether the app can answer."""

    status: str
