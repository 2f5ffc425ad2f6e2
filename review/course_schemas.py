"""What the HTTP API sends of traces, and of an alert's course."""

from datetime import datetime
from typing import Self

from pydantic import Field

from latentwatch.domain.course import Course
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.record import Value
from latentwatch.review.flagged_schemas import Answer


class TraceOut(Answer):
    """One sampled record."""

    entity: str
    time: datetime
    surprise: float
    reconstruction: float
    density: float
    flagged: bool
    values: dict[str, Value]
    records: int = Field(description="how many it stands for; it is the strangest of them")
    low: dict[str, float] = Field(description="the least of each number among them; empty where it stands for one")
    high: dict[str, float]

    @classmethod
    def of(cls, point: TracePoint) -> Self:
        return cls.model_validate(point)


class UsualOut(Answer):
    """What a number showed before the alert."""

    low: float
    middle: float
    high: float


class FeatureCourseOut(Answer):
    """What one feature did over an alert, those that contributed most first."""

    feature: str
    share: float = Field(description="of the surprise of all its records, what this feature added; 0 to 1")
    usual: UsualOut | None = Field(description="what it showed before; null where too little is known")
    low: float | None
    high: float | None
    last: Value = Field(description="its last known value: slow sensors show one in few records")
    worst: Value = Field(description="its last known value at the strangest record")
    expected: Value = Field(description="what was expected of it there")
    since: datetime | None = Field(description="first record at which it was off: beyond what is usual, or leading")
    until: datetime | None = Field(description="last such record")


class CulpritOut(Answer):
    """A feature that came to lead the alert."""

    feature: str
    since: datetime
    further: bool = Field(description="whether the alert had opened with others")
    value: Value
    usual: UsualOut | None


class CourseOut(Answer):
    """What an alert's features did over its whole course."""

    worst: datetime | None = Field(description="event time of its strangest record")
    features: list[FeatureCourseOut]
    culprits: list[CulpritOut] = Field(description="in the order in which they came to lead")

    @classmethod
    def of(cls, course: Course) -> "CourseOut":
        total = sum(one.share for one in course.features.values()) or 1.0
        ordered = sorted(course.features.items(), key=lambda one: -one[1].share)
        return cls(
            worst=course.worst,
            features=[
                FeatureCourseOut(
                    feature=name,
                    share=one.share / total,
                    usual=None if one.usual is None else UsualOut.model_validate(one.usual),
                    low=one.low,
                    high=one.high,
                    last=one.last,
                    worst=one.worst,
                    expected=one.expected,
                    since=one.since,
                    until=one.until,
                )
                for name, one in ordered
            ],
            culprits=[CulpritOut.model_validate(one) for one in course.culprits],
        )
