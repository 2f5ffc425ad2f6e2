"""Promised against realised alarms by group, for programs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.groups import GroupedBy, GroupName
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.group_thresholds import propose_threshold
from latentwatch.review.room import InRoom
from latentwatch.review.segments import segments

router = APIRouter(prefix="/monitors/{monitor}/segments", tags=["monitors"])
Days = Annotated[int, Query(ge=1, le=400, description="of event time, to now")]


class GroupNameOut(Answer):
    """What tells a group from others."""

    by: GroupedBy
    field: str = Field(description="the field whose value they share; empty where they share something else")
    value: str = Field(description="an entity's name, an hour as two digits, or a field's value")


class SegmentOut(Answer):
    """One group's alarms."""

    group: GroupNameOut
    scored: int
    alarms: int = Field(description="runs of flagged records that nobody confirmed")
    records: int = Field(description="flagged ones, in those")
    share: float
    interval: tuple[float, float] = Field(description="95 % interval of the share of records")
    promised: float | None
    others: float = Field(description="share of the records of all other groups of its grouping")
    p_others: float = Field(description="corrected chance of alarms as far from the others', were they alike")
    p_promise: float = Field(description="corrected chance of alarms as far from the promise, were it kept")
    apart: bool = Field(description="whether it differs from the others beyond chance")
    off: bool = Field(description="whether it is off the promise beyond chance")
    shift: float = Field(
        description="how much higher its threshold would have to be to keep the promise; 0 where it is not off it"
    )
    alarms_left: int | None = Field(description="its alarms that would be left above that; null where it is not raised")
    in_words: str


class SegmentsOut(Answer):
    """Every group of a monitor."""

    monitor: str
    since: datetime
    promised: float | None
    alarms: int
    tests: int = Field(description="comparisons that the chances are corrected for")
    dispersion: float = Field(description="how much more alarms vary between days than chance has it, at least 1")
    segments: list[SegmentOut]
    in_words: str


class GroupIn(BaseModel):
    """A group that is to have a threshold of its own."""

    model_config = ConfigDict(extra="forbid")

    by: GroupedBy
    field: str = Field(default="", max_length=200)
    value: str = Field(max_length=500)


class ThresholdProposalOut(Answer):
    """A group's own threshold, and what it would have changed."""

    id: str = Field(description="accept it as any exception: POST /api/monitors/{monitor}/exceptions")
    text: str
    shift: float
    alarms: int
    alarms_left: int | None
    in_words: str


@router.get("")
def get_segments(room: InRoom, monitor: str, days: Days = 30) -> SegmentsOut:
    """Promised against realised alarms by entity, hour and field, with intervals and corrected chances."""
    known = registered_monitor(room.engine, monitor)
    return SegmentsOut.model_validate(segments(room.engine, known, room.now(), days))


@router.post("/proposals")
def post_threshold_proposal(room: InRoom, monitor: str, wanted: GroupIn, days: Days = 30) -> ThresholdProposalOut:
    """A threshold of its own for a group that is off the promise; 422 for one that is not, 404 for one never counted."""
    known, group = registered_monitor(room.engine, monitor), GroupName(wanted.by, wanted.field, wanted.value)
    return ThresholdProposalOut.model_validate(propose_threshold(room.engine, known, group, days, room.clock))
