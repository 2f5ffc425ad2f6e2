"""The tables of exceptions, and of what is proposed as one."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row


class ExceptionRow(Row):
    """Something that people say is normal. Kept when it is taken back, with what it came to."""

    __tablename__ = "exceptions"
    __table_args__ = (Index("ix_exceptions_monitor", "monitor", "removed"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    """As `form_to_json` has it."""
    until: Mapped[datetime | None]
    """Event time at which it ends; null for never."""
    author: Mapped[str]
    note: Mapped[str]
    alerts: Mapped[list[int]] = mapped_column(JSON)
    """The alerts it was made for."""
    created: Mapped[datetime]
    records: Mapped[int] = mapped_column(BigInteger)
    """How many it let pass, or had read otherwise, since."""
    last: Mapped[datetime | None]
    """Event time of the latest of those."""
    removed: Mapped[datetime | None]
    """When it was taken back."""
    removed_by: Mapped[str]


class ExceptionProposalRow(Row):
    """What was proposed as an exception, so that it can be accepted by its id."""

    __tablename__ = "exception_proposals"
    __table_args__ = (Index("ix_exception_proposals_monitor", "monitor", "created"),)

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    alerts: Mapped[list[int]] = mapped_column(JSON)
    """Those it was proposed for."""
    state: Mapped[str] = mapped_column(String(64))
    """What those alerts were like: another one means that they changed since."""
    created: Mapped[datetime]
