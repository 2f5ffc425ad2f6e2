"""Two alerts side by side, for programs."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from latentwatch.domain.record import Value
from latentwatch.review.comparing import compare
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.room import InRoom
from latentwatch.review.schemas import AlertOut

router = APIRouter(tags=["alerts"])

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


class MomentOut(Answer):
    """One kept record."""

    seconds: float = Field(description="after the first flagged record; negative before")
    surprise: float
    values: list[float | None] = Field(description="of the features that are drawn, in their order")


class AlertSideOut(Answer):
    """One of the two."""

    alert: AlertOut
    cause: str
    seconds: float = Field(description="how long it lasted")
    trace: list[MomentOut] = Field(description="at most 300 records, the strangest of each stretch")


class FeatureComparedOut(Answer):
    """What one feature did in both, at the strangest record of each."""

    feature: str
    unit: str
    shares: tuple[float, float] = Field(description="of each alert's surprise, over its course")
    actual: tuple[Value, Value]
    expected: tuple[Value, Value]
    direction: float | None = Field(
        description="how much further off it lies in the second, in its unit; null for words"
    )


class ComparisonOut(Answer):
    """Two alerts side by side."""

    first: AlertSideOut
    second: AlertSideOut
    likeness: float
    drawn: list[str]
    features: list[FeatureComparedOut] = Field(description="the loudest first, at most 12")
    in_words: list[str]


@router.get("/alerts/{alert}/compare/{other}")
def get_comparison(room: InRoom, alert: Number, other: Number) -> ComparisonOut:
    """Traces aligned at onset, what each was about, and how they differ. 422 for an alert without records."""
    return ComparisonOut.model_validate(compare(room.engine, alert, other))
