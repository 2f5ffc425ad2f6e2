"""The table of stretches that were abnormal and never alarmed."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row


class MissedStretchRow(Row):
    """What people know to have been abnormal although nothing was flagged."""

    __tablename__ = "missed_stretches"
    __table_args__ = (Index("ix_missed_stretches_monitor", "monitor", "started"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    entity: Mapped[str]
    """Empty where the monitor names none."""
    started: Mapped[datetime]
    ended: Mapped[datetime]
    """Exclusive. Both are event times."""
    cause: Mapped[str]
    note: Mapped[str]
    author: Mapped[str]
    created: Mapped[datetime]
