"""The table of what people did to many alerts at once, beside those of `latentwatch.alerts.tables`."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row


class BulkActionRow(Row):
    """One action on up to 500 alerts, with what it takes to undo it."""

    __tablename__ = "bulk_actions"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    action: Mapped[str] = mapped_column(String(16))
    author: Mapped[str]
    before: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """Of each alert that changed: its number, and status, verdict, assignee and snooze before and after."""
    created: Mapped[datetime]
    undone: Mapped[datetime | None]
