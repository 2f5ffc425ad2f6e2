"""Stretches that people called normal: alerts labelled false, with what was excepted for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow
from latentwatch.domain.alert import AlertKind, Verdict

_LAST = timedelta(microseconds=1)
"""An alert's end is the time of its last record, which is of it."""


@dataclass(frozen=True, slots=True)
class NormalStretch:
    """The flagged stretch of an alert that was a false alarm, half open."""

    alert: int
    entity: str
    start: datetime
    end: datetime


def normal_stretches(engine: Engine, monitor: str) -> list[NormalStretch]:
    """Of all alerts whose latest verdict is false, oldest first. Raises Unavailable."""
    row = AlertRow
    wanted = (row.monitor == monitor, row.verdict == Verdict.FALSE, row.kind == AlertKind.ANOMALY)
    with reading(engine) as session:
        found = session.execute(select(row.id, row.entity, row.started, row.ended).where(*wanted).order_by(row.id))
        return [NormalStretch(number, entity, start, end + _LAST) for number, entity, start, end in found]
