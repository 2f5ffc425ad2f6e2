"""The tables of what alerts' features did over their course, and of the traces kept with it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row


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
    """How many of these are kept; 0 where the records came without."""
    trace_until: Mapped[int] = mapped_column(BigInteger)
    """Event time of the last of them, microseconds since 1970."""


class KeptTraceRow(Row):
    """A point of an entity's trace before, during or after an alert, kept when the live trace has moved on.

    It belongs to the entity, not to an alert: of alerts that follow one another fast, most share what led up to them.
    """

    __tablename__ = "kept_trace"
    __table_args__ = (Index("ix_kept_trace_alert", "alert_id"),)

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"))
    """The alert that it belongs to, or the first that it led up to; it goes when that goes."""
    leads_up: Mapped[bool] = mapped_column(server_default=text("true"))
    """Whether it lies before that alert."""
    surprise: Mapped[float]
    reconstruction: Mapped[float]
    density: Mapped[float]
    flagged: Mapped[bool]
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
    records: Mapped[int] = mapped_column(server_default="1")
    """How many records it stands for: it is the strangest of them."""
    low: Mapped[dict[str, float]] = mapped_column(JSON, server_default="{}")
    """The least of each number among them; empty where it stands for one."""
    high: Mapped[dict[str, float]] = mapped_column(JSON, server_default="{}")
