"""What the HTTP API sends and takes of incidents, and of many alerts at once."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latentwatch.alerts.bulk_review import MOST_AT_ONCE, BulkAction, BulkDone
from latentwatch.alerts.reading.incidents import Incident
from latentwatch.domain.alert import AlertStatus, Severity, Verdict
from latentwatch.review.alert_query import AlertFilterIn
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.schemas import AlertOut

Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class IncidentOut(Answer):
    """Alerts that belong together."""

    id: int
    monitors: list[str]
    entities: list[str] = Field(description="in order of onset; of the alerts below")
    entity_count: int
    count: int = Field(description="alerts in all")
    severity: Severity
    status: AlertStatus
    verdict: Verdict | None = Field(description="the one that all alerts have")
    started: datetime
    ended: datetime
    records: int
    disputed: bool = Field(description="one reviewer calls one of its alerts real and another false")
    over: bool = Field(description="all its entities have been normal since, or send again")
    features: list[str] = Field(description="what most of its alerts are about")
    alerts: tuple[AlertOut, ...] = Field(description="in order of onset, at most 200")

    @classmethod
    def of(cls, incident: Incident) -> Self:
        return cls.model_validate(incident)


class IncidentPageOut(BaseModel):
    """A page of incidents."""

    incidents: list[IncidentOut]
    total: int
    """Exact up to 10,000; 10,001 means more."""
    offset: int


class ActionIn(BaseModel):
    """What is done, by whom."""

    model_config = ConfigDict(extra="forbid")

    action: BulkAction
    author: str = Field(min_length=1, max_length=100)
    cause: str = Field(default="", max_length=4000, description="of a label")
    note: str = Field(default="", max_length=4000)


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

    undo: int = Field(description="POST /api/bulk-actions/{undo}/undo takes it back, once")
    changed: list[int] = Field(description="alerts that are other than they were")

    @classmethod
    def of(cls, done: BulkDone) -> Self:
        return cls(undo=done.id, changed=list(done.changed))


class AuthorIn(BaseModel):
    """Who does it."""

    model_config = ConfigDict(extra="forbid")

    author: str = Field(min_length=1, max_length=100)


class SplitIn(AuthorIn):
    """Which alerts do not belong with the others."""

    alerts: list[Number] = Field(min_length=1, max_length=MOST_AT_ONCE)


class MergeIn(AuthorIn):
    """Which incidents belong together."""

    incidents: list[Number] = Field(min_length=2, max_length=50)
