"""The table of how many records of each group were scored, beside those of `latentwatch.alerts.tables`."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import Row


class GroupCountRow(Row):
    """Exact count of one group on one day of event time. Sum over `shard` (and `model_version`) to read a day."""

    __tablename__ = "group_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
    model_version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """As that of `MinuteCountRow`."""
    grouped_by: Mapped[str] = mapped_column(String(8), primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    scored: Mapped[int] = mapped_column(BigInteger)
