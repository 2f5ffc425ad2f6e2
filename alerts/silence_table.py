"""The table of silences, beside those of `latentwatch.alerts.tables`."""

from datetime import datetime

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row


class SilenceRow(Row):
    """When alerts of some entities are opened without anybody being told; kept when it is over, and when it is taken back."""

    __tablename__ = "silences"
    __table_args__ = (Index("ix_silences_monitor", "monitor", "ends"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    entity: Mapped[str]
    """A pattern: `*` stands for anything, `?` for one character."""
    feature: Mapped[str]
    """A pattern too; empty means any."""
    begins: Mapped[datetime | None]
    ends: Mapped[datetime | None]
    weekly: Mapped[str]
    """A rule as `parse_weekly` reads it; empty where it is one stretch."""
    timezone: Mapped[str]
    reason: Mapped[str]
    author: Mapped[str]
    created: Mapped[datetime]
    removed: Mapped[datetime | None]
    """When somebody took it back."""
    removed_by: Mapped[str]
    calendar: Mapped[str] = mapped_column(server_default="")
    """The address or path of an iCalendar, which may be secret; empty without one."""
    stretches: Mapped[list[list[str]]] = mapped_column(JSON, server_default="[]")
    """When its events are, in ISO form, as it was read last."""
    calendar_read: Mapped[datetime | None]
    """When that was."""
    calendar_trouble: Mapped[str] = mapped_column(server_default="")
    """Why it could not be read since; empty where it could."""
