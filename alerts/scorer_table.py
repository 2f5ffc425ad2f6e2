"""The table of scorer processes' heartbeats."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import Row


class ScorerRow(Row):
    """One scorer process's latest heartbeat."""

    __tablename__ = "scorers"
    __table_args__ = (Index("ix_scorers_monitor", "monitor", "seen"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    host: Mapped[str]
    pid: Mapped[int]
    started: Mapped[datetime]
    seen: Mapped[datetime]
    last_commit: Mapped[datetime | None]
    partitions: Mapped[list[int]] = mapped_column(JSON)
    model_version: Mapped[int | None]
    lag: Mapped[int | None] = mapped_column(BigInteger)
    """Records in its partitions that it has not scored; None where unknown."""
    records: Mapped[int] = mapped_column(BigInteger)
    """Scored since it started."""
    records_per_second: Mapped[float]
    state: Mapped[str]
    """In words: scoring, or that the promise no longer holds."""
    stopped: Mapped[bool]
    """It ended cleanly."""
