"""Two alerts, two entities' normal or two model versions side by side, for programs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from latentwatch.domain.record import Value
from latentwatch.review.comparing import compare
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.normals import compare_normals
from latentwatch.review.room import InRoom
from latentwatch.review.schemas import AlertOut
from latentwatch.review.versions_compared import compare_versions

router = APIRouter(tags=["alerts"])
monitor_router = APIRouter(prefix="/monitors/{monitor}", tags=["monitors"])

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Entity = Annotated[str, Query(max_length=500)]


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


class NumberComparedOut(Answer):
    """What a number usually is in both."""

    feature: str
    unit: str
    usual: tuple[float, float] = Field(description="the medians")
    low: tuple[float, float] = Field(description="one in twenty lies below")
    high: tuple[float, float] = Field(description="one in twenty lies above")
    apart: float = Field(description="from the first's median to the second's, by the mean of both spreads")
    is_apart: bool = Field(description="whether that is more than a spread")


class WordsComparedOut(Answer):
    """How often a category shows which word in both."""

    feature: str
    shares: dict[str, tuple[float, float]] = Field(description="of the words most often shown, at most five")
    is_apart: bool


class NormalsComparedOut(Answer):
    """Two entities' normal."""

    monitor: str
    entities: tuple[str, str]
    records: tuple[int, int] = Field(description="that were looked at: at most 2,000 each, sampled, none flagged")
    numbers: list[NumberComparedOut] = Field(description="furthest apart first; counters are left out")
    words: list[WordsComparedOut]
    in_words: str


class RaisedOut(Answer):
    """One alert that a version would have raised."""

    started: datetime
    ended: datetime
    peak: float = Field(description="the surprise of its strangest record")


class VersionOnStretchOut(Answer):
    """What one version makes of the records."""

    version: int
    threshold: float
    surprises: list[float]
    flagged: int
    raised: list[RaisedOut]
    in_words: str


class VersionsComparedOut(Answer):
    """Two versions on the same stretch."""

    monitor: str
    entity: str
    alert: int | None
    times: list[datetime]
    first: VersionOnStretchOut
    second: VersionOnStretchOut


@monitor_router.get("/entities/compare")
def get_normals(room: InRoom, monitor: str, first: Entity, second: Entity) -> NormalsComparedOut:
    """What two entities usually show. 422 for one with fewer than 30 records that were kept and not flagged."""
    return NormalsComparedOut.model_validate(compare_normals(room.engine, monitor, first, second))


@monitor_router.get("/models/{version}/compare/{other}")
def get_versions(
    room: InRoom,
    monitor: str,
    version: Version,
    other: Version,
    alert: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="whose kept records are scored")] = None,
    entity: Annotated[str | None, Query(max_length=500, description="or whose latest 1,000 sampled ones")] = None,
) -> VersionsComparedOut:
    """What two versions would each have raised on the same records; exactly one of `alert` and `entity` is named."""
    found = compare_versions(
        room.engine, room.bundle_cache.detector, monitor, (version, other), alert=alert, entity=entity
    )
    return VersionsComparedOut.model_validate(found)
