"""What the HTTP API sends of an alert's kind."""

from pydantic import Field

from latentwatch.review.flagged_schemas import Answer


class RecurrenceOut(Answer):
    """What is known of an alert's kind from the other incidents of its monitor, the latest 3,000 alerts."""

    alike: int = Field(description="alerts like it")
    earlier: int = Field(description="of those, how many began before it")
    judged: int = Field(description="of those alike, how many people labelled")
    false: int = Field(description="of those labelled, how many are false alarms")
    new_kind: bool = Field(description="it began within the last week, and nothing like it before that")
    came_back: bool = Field(description="one like it was over before it began, and is closed")
    in_words: str = Field(description="what an operator should know first; empty where that is nothing")
