"""The table of decisions that late records amended, beside those of `latentwatch.alerts.tables`."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row


class FormerDecisionRow(Row):
    """A decision that a late record amended, as it was; kept with its alert. What is flagged now is in flagged_records."""

    __tablename__ = "former_verdicts"
    __table_args__ = (
        Index("ix_former_verdicts_alert", "alert_id"),
        Index("ix_former_verdicts_position", "monitor", "source", "partition", "offset"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"))
    monitor: Mapped[str] = mapped_column(String(63))
    source: Mapped[str]
    partition: Mapped[int]
    offset: Mapped[int] = mapped_column(BigInteger)
    time: Mapped[datetime]
    surprise: Mapped[float]
    flagged: Mapped[bool]
    """Whether it was flagged then; where not, only its surprise is known."""
    threshold: Mapped[float]
    model_version: Mapped[int]
    bundle: Mapped[str | None]
    values: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    context: Mapped[bytes | None]
    """With bundle, values and seen it replays the former decision."""
    seen: Mapped[int | None] = mapped_column(BigInteger)
    surprise_since: Mapped[float]
    """What it was amended to."""
    flagged_since: Mapped[bool]
    cause_partition: Mapped[int]
    """The late record's position in the same source."""
    cause_offset: Mapped[int] = mapped_column(BigInteger)
    amended: Mapped[datetime]
    """Wall time at which it was."""
