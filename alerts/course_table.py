"""The tables of what alerts' features did over their course, and of the traces kept with it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row
from latentwatch.alerts.trace_column import PackedTrace
from latentwatch.domain.trace_block import TraceBlock


class CourseRow(Row):
    """What an alert's features did over its course; none for alerts of releases that did not tell it."""

    __tablename__ = "alert_courses"

    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True)
    course: Mapped[dict[str, Any]] = mapped_column(JSON)
    """As `Course.to_json` has it."""
    fingerprint: Mapped[bytes]
    """As `latentwatch.domain.fingerprint` has it, of what each feature added over the course."""
    trace_width: Mapped[int] = mapped_column(BigInteger)
    """Microseconds of event time that a point of its kept trace stands for; 1 where each record has its own."""
    trace_points: Mapped[int]
    """How many of these are kept, or a few less where pieces of it share one; 0 where the records came without."""
    trace_pieces: Mapped[int]
    """In how many pieces they are kept."""
    trace_until: Mapped[int] = mapped_column(BigInteger)
    """Event time of the last of them, microseconds since 1970."""


class KeptTraceRow(Row):
    """A piece of an entity's trace before, during or after an alert, kept when the live trace has moved on.

    Nothing that an alert before it kept stands here again: of alerts that follow one another fast, pages put together what
    led up to the later ones from the pieces of both.
    """

    __tablename__ = "kept_traces"
    __table_args__ = (Index(None, "alert_id"), Index(None, "monitor", "entity", "until"))

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"))
    """The alert that it leads up to, or belongs to; it goes when that goes."""
    monitor: Mapped[str] = mapped_column(String(63))
    entity: Mapped[str]
    since: Mapped[datetime]
    """Event time of its first point."""
    until: Mapped[datetime]
    """Event time of its last point."""
    leads_up: Mapped[bool]
    """Whether it lies before that alert."""
    points: Mapped[TraceBlock] = mapped_column(PackedTrace)
