"""The table of which alert is part of which incident, beside those of `latentwatch.alerts.tables`.

A table of its own, and not a column of alerts: an alert that joins others changes their incidents, while another process
may hold the others' rows. Rows of this table are written only by whoever has the monitor's turn.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row

BY_RULE, SPLIT_OFF, PUT_TOGETHER, HIDDEN = "rule", "split off", "put together", "hidden"
"""Who said which incident an alert is part of: the rule, or a person, whom the rule does not contradict. What a silence hides
is alone, and nothing joins it."""


class IncidentMemberRow(Row):
    """One alert of an incident, with how it began."""

    __tablename__ = "incident_members"
    __table_args__ = (
        Index("ix_incident_members_incident", "incident"),
        Index("ix_incident_members_onset", "monitor", "onset"),
    )

    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True)
    incident: Mapped[int] = mapped_column(BigInteger)
    """The lowest number of its alerts when it was formed."""
    monitor: Mapped[str] = mapped_column(String(63))
    entity: Mapped[str]
    onset: Mapped[datetime]
    """Event time of the record that opened the alert."""
    pattern: Mapped[dict[str, Any]] = mapped_column(JSON)
    """`pattern_of` that record's contributions."""
    shown: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    """What that record showed in the fields by which the monitor relates entities."""
    decided: Mapped[str] = mapped_column(String(16))
    """BY_RULE, SPLIT_OFF, PUT_TOGETHER or HIDDEN."""
