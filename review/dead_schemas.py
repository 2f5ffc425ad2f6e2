"""What the API says of messages that could not be read, or not in all of their values."""

import base64
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from latentwatch.domain.record import DeadLetter
from latentwatch.review.flagged_schemas import Answer


class DeadLetterOut(BaseModel):
    """A message that could not become a record."""

    source: str
    partition: int
    offset: int
    reason: str
    payload: str = Field(description="the payload's beginning as base64")
    created: datetime

    @classmethod
    def of(cls, letter: DeadLetter, created: datetime) -> Self:
        position = letter.position
        return cls(
            source=position.source,
            partition=position.partition,
            offset=position.offset,
            reason=letter.reason,
            payload=base64.b64encode(letter.payload).decode(),
            created=created,
        )


class DeadLetterPageOut(BaseModel):
    """A page of dead letters."""

    letters: list[DeadLetterOut]
    offset: int
    more: bool


class UnreadFieldOut(Answer):
    """A field whose values could not be read in some messages, which were scored without them."""

    field: str
    messages: int
    reason: str = Field(description="why, in the latest of them")
    since: datetime
    latest: datetime
    first: list[str] = Field(description="the first of them as they were sent, cut where they are long")
