"""What the API says of flagged records: the decisions on them now, and those that late records amended."""

import base64
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from latentwatch.domain.alert import Arrival, FlaggedRecord, FormerDecision
from latentwatch.domain.record import Value


class Answer(BaseModel):
    """What is read off one of the domain's nouns, attribute by attribute."""

    model_config = ConfigDict(from_attributes=True)


class NeighbourOut(Answer):
    """A normal record near a flagged one."""

    distance: float
    values: dict[str, Value]


class FlaggedOut(BaseModel):
    """A flagged record with its explanation and what is needed to score it again."""

    source: str
    partition: int
    offset: int
    entity: str
    time: datetime
    surprise: float
    reconstruction: float
    density: float
    components: dict[str, float] = Field(
        description="what each component adds to the surprise, by its name; not negative, and they sum to it"
    )
    extrapolated: bool
    warming: bool
    threshold: float
    model_version: int
    bundle: str
    values: dict[str, Value]
    expected: dict[str, Value]
    contributions: dict[str, float] = Field(description="what each feature adds to the surprise; they sum to it")
    neighbours: list[NeighbourOut]
    code: tuple[float, ...]
    place: tuple[float, float]
    context: str = Field(description="the context row as base64 of float32, little-endian")
    seen: int = Field(description="how many records of the entity came before it")
    arrival: Arrival = Field(description="in order, late and put at its place, or too late and scored on its own")
    revision: int = Field(description="how often late records amended the decision")
    grounds: list[str] = Field(description="what the monitor's rules had to do with it, in words")

    @classmethod
    def of(cls, flagged: FlaggedRecord) -> Self:
        why = flagged.explanation
        return cls(
            source=flagged.position.source,
            partition=flagged.position.partition,
            offset=flagged.position.offset,
            entity=flagged.entity,
            time=flagged.time,
            surprise=flagged.surprise,
            reconstruction=flagged.reconstruction,
            density=flagged.density,
            components=why.parts,
            extrapolated=flagged.extrapolated,
            warming=flagged.warming,
            threshold=flagged.threshold,
            model_version=flagged.model_version,
            bundle=flagged.bundle,
            values=flagged.values,
            expected=why.expected,
            contributions=why.contributions,
            neighbours=[NeighbourOut.model_validate(one) for one in why.neighbours],
            code=why.code,
            place=why.place,
            context=base64.b64encode(flagged.context).decode(),
            seen=flagged.seen,
            arrival=flagged.arrival,
            revision=flagged.revision,
            grounds=list(flagged.grounds.in_words),
        )


class FormerDecisionOut(BaseModel):
    """A decision that a late record amended, as it was, and what became of it."""

    source: str
    partition: int
    offset: int
    time: datetime
    surprise: float
    flagged: bool
    threshold: float
    model_version: int
    surprise_since: float
    flagged_since: bool
    cause: str = Field(description="the position of the late record")
    amended: datetime

    @classmethod
    def of(cls, former: FormerDecision) -> Self:
        return cls(
            source=former.position.source,
            partition=former.position.partition,
            offset=former.position.offset,
            time=former.time,
            surprise=former.surprise,
            flagged=former.flagged,
            threshold=former.threshold,
            model_version=former.model_version,
            surprise_since=former.surprise_since,
            flagged_since=former.flagged_since,
            cause=str(former.cause),
            amended=former.amended,
        )
