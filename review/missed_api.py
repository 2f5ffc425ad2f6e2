"""The JSON API's routes about stretches that were abnormal and never alarmed."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from latentwatch.alerts.missed_stretches import (
    MOST_LISTED,
    MissedStretch,
    check_stretch_of,
    label_missed,
    missed_stretches,
    unlabel_missed,
)
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.review.alert_query import Moment
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.room import InRoom

router = APIRouter(prefix="/monitors/{monitor}/missed", tags=["missed"])


class StretchIn(BaseModel):
    """What was abnormal, half open in event time."""

    model_config = ConfigDict(extra="forbid")

    entity: str = Field(
        default="", max_length=500, description="whose records; empty where the monitor has no entities"
    )
    start: Moment
    end: Moment
    author: str = Field(min_length=1, max_length=100)
    cause: str = Field(default="", max_length=200)
    note: str = Field(default="", max_length=4000)


class StretchOut(Answer):
    """A stretch that was abnormal and never alarmed, and who says so."""

    id: int
    monitor: str
    entity: str
    start: datetime
    end: datetime
    cause: str
    note: str
    author: str
    created: datetime

    @classmethod
    def of(cls, stretch: MissedStretch) -> Self:
        """For programs."""
        return cls.model_validate(stretch)


@router.get("")
def get_missed(room: InRoom, monitor: str) -> list[StretchOut]:
    """A monitor's, the latest first, at most 500."""
    registered_monitor(room.engine, monitor)
    return [StretchOut.of(each) for each in missed_stretches(room.engine, monitor, MOST_LISTED)]


@router.post("", status_code=201)
def post_missed(room: InRoom, monitor: str, said: StretchIn) -> StretchOut:
    """Say that a stretch was abnormal: it leaves training, counts as missed, and the next model is asked for it."""
    known = registered_monitor(room.engine, monitor)
    check_stretch_of(known, said.entity)
    made = label_missed(
        room.engine, monitor, said.entity, said.start, said.end,
        author=said.author, cause=said.cause, note=said.note, clock=room.clock,
    )  # fmt: skip
    return StretchOut.of(made)


@router.post("/{stretch}/remove", status_code=204)
def post_remove(room: InRoom, monitor: str, stretch: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> None:
    """Take the word back: the stretch is learned from again."""
    registered_monitor(room.engine, monitor)
    unlabel_missed(room.engine, stretch, monitor)
