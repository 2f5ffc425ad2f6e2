"""The table of alerts that ask whether a lasting change is the new normal, beside those of `latentwatch.alerts.tables`."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row
from latentwatch.domain.steps import StepAnswer


class StepRow(Row):
    """The question that an alert asks, and what people said."""

    __tablename__ = "alert_steps"
    __table_args__ = (Index("ix_alert_steps_entity", "monitor", "entity"),)

    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    entity: Mapped[str]
    since: Mapped[datetime]
    """Event time of the first strange record."""
    asked: Mapped[datetime]
    """Event time at which it was asked last."""
    step: Mapped[dict[str, Any]] = mapped_column(JSON)
    """As `Step.to_json` has it."""
    answer: Mapped[StepAnswer | None]
    answered: Mapped[datetime | None]
    """Wall time of the answer."""
