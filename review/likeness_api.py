"""Seen before, for programs."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from latentwatch.review.likeness import seen_before
from latentwatch.review.room import InRoom
from latentwatch.review.schemas import AlertOut, LabelOut

router = APIRouter(tags=["alerts"])


class SimilarOut(BaseModel):
    """An alert that is like another one."""

    alert: AlertOut
    likeness: float = Field(description="cosine of the fingerprints, 0 to 1")
    label: LabelOut | None = Field(description="what people said of it last")
    in_words: str
    seconds: float = Field(description="how long it lasted")


class SeenBeforeOut(BaseModel):
    """What was like an alert."""

    alert: int
    similar: list[SimilarOut] = Field(description="most alike first; none of its own incident")
    cause: str = Field(description="what those nearly the same were, where people agree; else empty")
    in_words: str


@router.get("/alerts/{alert}/similar")
def get_similar(room: InRoom, alert: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> SeenBeforeOut:
    """The alerts of its monitor, of any entity, that were about the same features in the same measure; at most five."""
    found = seen_before(room.engine, room.likenesses, alert)
    similar = [
        SimilarOut(
            alert=AlertOut.of(each.alert),
            likeness=each.likeness,
            label=LabelOut.of(each.label) if each.label else None,
            in_words=each.in_words,
            seconds=each.seconds,
        )
        for each in found.similar
    ]
    return SeenBeforeOut(alert=alert, similar=similar, cause=found.cause, in_words=found.in_words)
