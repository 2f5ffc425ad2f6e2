"""The JSON API's route about what people's labels say of the alerts."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import Field

from latentwatch.alerts.reading.precision import WEEKS, Precision, precision
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.room import InRoom

router = APIRouter(tags=["alerts"])


class VerdictCountsOut(Answer):
    """Alerts of one kind, by their latest verdict."""

    name: str = Field(
        description="the week's Monday, the reviewer, or the cause; empty for all, or where none was named"
    )
    confirmed: int
    false: int
    unsure: int
    unlabelled: int
    precision: float | None = Field(description="confirmed of those that are known to be real or false")


class PrecisionOut(Answer):
    """What came of alerts and of what never alarmed."""

    since: datetime
    total: VerdictCountsOut
    missed: int = Field(description="stretches that were abnormal and never alarmed")
    disputed: int = Field(description="alerts that one reviewer calls real and another false")
    weeks: tuple[VerdictCountsOut, ...] = Field(description="by when the alert began, the latest first")
    reviewers: tuple[VerdictCountsOut, ...] = Field(description="by who gave the latest verdict, at most 50")
    causes: tuple[VerdictCountsOut, ...] = Field(description="by the cause that was named last, at most 50")
    recall: float | None = Field(description="confirmed alerts of those and the missed stretches, an upper bound")

    @classmethod
    def of(cls, found: Precision) -> Self:
        """For programs."""
        return cls.model_validate(found)


@router.get("/precision")
def get_precision(
    room: InRoom, monitor: str | None = None, weeks: Annotated[int, Query(ge=1, le=104)] = WEEKS
) -> PrecisionOut:
    """How many of the alerts that people judged were real, by week, reviewer and cause; of one monitor or of all."""
    return PrecisionOut.of(precision(room.engine, room.now(), monitor, weeks))
