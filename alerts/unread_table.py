"""The table of values that their features cannot have, beside those of `latentwatch.alerts.tables`."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import Row


class UnreadValueRow(Row):
    """In how many messages of a partition one field could not be read, so that they were scored without it."""

    __tablename__ = "unread_values"
    __table_args__ = ({"sqlite_with_rowid": False},)

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    field: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    """Of the latest of them."""
    first: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """The first messages as they were sent: `offset` and `payload`."""
    since: Mapped[datetime]
    latest: Mapped[datetime]
    """Wall time, both."""
