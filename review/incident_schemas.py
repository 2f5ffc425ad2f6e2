"""What the HTTP API sends and takes of incidents, and of many alerts at once."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latentwatch.alerts.bulk_review import MOST_AT_ONCE, BulkAction, BulkDone, Said
from latentwatch.alerts.reading.incidents import Incident
from latentwatch.domain.alert import AlertStatus, Severity, Verdict
from latentwatch.review.alert_query import AlertFilterIn, Moment
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.kind_schemas import RecurrenceOut
from latentwatch.review.schemas import AlertOut

Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class IncidentOut(Answer):
    """Alerts that belong together."""

    id: int
    monitors: list[str]
    entities: list[str] = Field(description="in order of onset; of the alerts below")
    entity_count: int
    count: int = Field(description="alerts in all")
    severity: Severity = Field(description="of its loudest alert, and a step louder on ten entities or more")
    severity_in_words: str = Field(description="how far, how long, how wide, and what is at stake")
    status: AlertStatus
    verdict: Verdict | None = Field(description="the one that all alerts have")
    started: datetime
    ended: datetime
    records: int
    at_stake: float = Field(description="the sum of what its alerts put at stake, by their monitors' weight")
    disputed: bool = Field(description="one reviewer calls one of its alerts real and another false")
    over: bool = Field(description="all its entities have been normal since, or send again")
    assignees: list[str] = Field(description="who takes care of its alerts")
    snoozed_until: datetime | None = Field(description="when the first of its snoozed alerts is open again")
    features: list[str] = Field(description="what most of its alerts are about")
    alerts: tuple[AlertOut, ...] = Field(description="in order of onset, at most 200")

    @classmethod
    def of(cls, incident: Incident) -> Self:
        return cls.model_validate(incident)


class IncidentEventOut(Answer):
    """Something that happened to alerts of an incident; one action on many is one event."""

    kind: str
    author: str
    note: str
    created: datetime
    alerts: int = Field(description="to how many of them")


class IncidentPageOut(BaseModel):
    """A page of incidents."""

    incidents: list[IncidentOut]
    total: int
    """Exact up to 10,000; 10,001 means more."""
    offset: int
    kinds: dict[int, RecurrenceOut] = Field(description="by incident, what is known of its strangest alert's kind")


class ActionIn(BaseModel):
    """What is done, by whom."""

    model_config = ConfigDict(extra="forbid")

    action: BulkAction
    author: str = Field(min_length=1, max_length=100)
    cause: str = Field(default="", max_length=4000, description="of a label")
    note: str = Field(default="", max_length=4000, description="the text of a comment; else why")
    until: Moment | None = Field(default=None, description="of snoozing; left out, until it is over")
    assignee: str = Field(default="", max_length=100, description="of assigning; empty for nobody")

    def said(self) -> Said:
        """What goes with the action."""
        return Said(self.author, self.cause, self.note, self.until, self.assignee)


class BulkIn(ActionIn):
    """What is done to which alerts: those of these numbers, or those that match."""

    ids: list[Number] | None = Field(default=None, min_length=1, max_length=MOST_AT_ONCE)
    filter: AlertFilterIn | None = Field(
        default=None, description=f"refused where more than {MOST_AT_ONCE} match, and where it is empty"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either 'ids' or 'filter'")
        if self.filter is not None and not self.filter.model_fields_set:
            raise ValueError("an empty filter means every alert there is; narrow it")
        return self


class BulkOut(BaseModel):
    """What came of it."""

    undo: int | None = Field(
        description="POST /api/bulk-actions/{undo}/undo takes it back, once; null for a comment, which stays"
    )
    changed: list[int] = Field(description="alerts that are other than they were")

    @classmethod
    def of(cls, done: BulkDone) -> Self:
        return cls(undo=done.id, changed=list(done.changed))


class AuthorIn(BaseModel):
    """Who does it."""

    model_config = ConfigDict(extra="forbid")

    author: str = Field(min_length=1, max_length=100)


class SnoozeIn(AuthorIn):
    """Until when an alert is put off."""

    until: Moment | None = Field(default=None, description="left out, until it is over")
    note: str = Field(default="", max_length=4000)


class AssignIn(AuthorIn):
    """Who takes care of an alert."""

    assignee: str = Field(max_length=100, description="empty for nobody")
    note: str = Field(default="", max_length=4000)


class CommentIn(AuthorIn):
    """A note in an alert's history."""

    note: str = Field(min_length=1, max_length=4000)


class SplitIn(AuthorIn):
    """Which alerts do not belong with the others."""

    alerts: list[Number] = Field(min_length=1, max_length=MOST_AT_ONCE)


class MergeIn(AuthorIn):
    """Which incidents belong together."""

    incidents: list[Number] = Field(min_length=2, max_length=50)
