"""What would calm an alert, for programs: asked, or tried with one's own values."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from latentwatch.domain.record import Value
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.room import InRoom
from latentwatch.review.whatif import had_it_shown, what_would_calm

router = APIRouter(tags=["alerts"])

AlertNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


class ChangeOut(Answer):
    """One feature as it was and as it would have had to be."""

    feature: str
    unit: str
    actual: Value
    instead: Value
    surprise: float = Field(description="the highest that is left with this change and those before it")


class WhatIfOut(Answer):
    """What would calm an alert, or what one's own values would have given."""

    alert: int
    calm: bool = Field(description="whether no alert would be left")
    before: float = Field(description="the highest surprise, scored again from what was kept of the entity's records")
    after: float = Field(description="the highest that is left")
    threshold: float
    changes: list[ChangeOut]
    in_words: str
    times: list[datetime] = Field(description="of the records that were changed")
    surprises_before: list[float]
    surprises_after: list[float]
    free: dict[str, float] = Field(description="numbers that may change, each with what the strangest record shows")


class ReadingsIn(BaseModel):
    """Values that features are to have shown throughout."""

    model_config = ConfigDict(extra="forbid")

    readings: Annotated[dict[str, Annotated[float, Field(allow_inf_nan=False)] | str | None], Field(max_length=50)]


@router.get("/alerts/{alert}/whatif")
def get_whatif(room: InRoom, alert: AlertNumber) -> WhatIfOut:
    """The fewest features, at most five, that would have left it unraised had they been as expected given the others.

    422 where its entity sent no record, 409 where its model cannot be opened any more.
    """
    return WhatIfOut.model_validate(what_would_calm(room.engine, room.bundle_cache.detector, alert))


@router.post("/alerts/{alert}/whatif")
def post_whatif(room: InRoom, alert: AlertNumber, tried: ReadingsIn) -> WhatIfOut:
    """What it would have been with these values; nothing is stored. 422 for a feature that the model does not read."""
    return WhatIfOut.model_validate(had_it_shown(room.engine, room.bundle_cache.detector, alert, tried.readings))
