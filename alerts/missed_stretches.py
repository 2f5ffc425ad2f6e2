"""Stretches that were abnormal and never alarmed: labelled, listed, and kept out of training as confirmed anomalies are."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from latentwatch.alerts.episodes import entity_key
from latentwatch.alerts.missed_stretch_table import MissedStretchRow
from latentwatch.alerts.session import reading, transaction
from latentwatch.domain.alert import ConfirmedAlert
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.monitor import Monitor

MOST_LISTED = 500
_LAST = timedelta(microseconds=1)
"""A stretch ends before its end, an alert with its last record."""


@dataclass(frozen=True, slots=True)
class MissedStretch:
    """What people know to have been abnormal, half open in event time."""

    id: int
    monitor: str
    entity: str
    start: datetime
    end: datetime
    cause: str
    note: str
    author: str
    created: datetime


def label_missed(
    engine: Engine,
    monitor: str,
    entity: str,
    start: datetime,
    end: datetime,
    *,
    author: str,
    cause: str = "",
    note: str = "",
    clock: Clock | None = None,
) -> MissedStretch:
    """Say that a stretch was abnormal. Raises InvalidInput for one that ends before it begins, or that nobody signs."""
    if not author.strip():
        raise InvalidInput("a verdict needs its author's name; give one")
    if end <= start:
        raise InvalidInput(f"the stretch ends at {end.isoformat()}, before it begins at {start.isoformat()}; swap them")
    row = MissedStretchRow(
        monitor=monitor,
        entity=entity_key(entity),
        started=start,
        ended=end,
        cause=cause.strip(),
        note=note.strip(),
        author=author.strip(),
        created=(clock or SystemClock()).now(),
    )
    with transaction(engine) as session:
        session.add(row)
        session.flush()
        return _of(row)


def check_stretch_of(monitor: Monitor, entity: str) -> None:
    """Whether a stretch of this entity can be named in this monitor. Raises InvalidInput."""
    if monitor.record.time is None:
        raise InvalidInput(
            f"monitor {monitor.name!r}: its records have no time, so that no stretch of them can be named"
        )
    if monitor.record.entity and not entity:
        raise InvalidInput(f"monitor {monitor.name!r}: say whose stretch it was; name the entity")
    if entity and not monitor.record.entity:
        raise InvalidInput(f"monitor {monitor.name!r}: has no entities; leave it out")


def missed_stretches(engine: Engine, monitor: str, limit: int | None = None) -> list[MissedStretch]:
    """A monitor's, the latest first, at most `limit` where one is given. Raises Unavailable."""
    row = MissedStretchRow
    wanted = select(row).where(row.monitor == monitor).order_by(row.id.desc()).limit(limit)
    with reading(engine) as session:
        return [_of(each) for each in session.scalars(wanted)]


def confirmed_misses(engine: Engine, monitor: str) -> list[ConfirmedAlert]:
    """The same, as what a new model is asked to find. Raises Unavailable."""
    return [
        ConfirmedAlert(-each.id, each.entity, each.start, each.end - _LAST, each.cause)
        for each in reversed(missed_stretches(engine, monitor))
    ]


def unlabel_missed(engine: Engine, stretch: int, monitor: str | None = None) -> None:
    """Take the word back: the stretch is learned from again. Raises NotFound, also where it is another monitor's."""
    with transaction(engine) as session:
        row = session.get(MissedStretchRow, stretch)
        if row is None or monitor not in (None, row.monitor):
            raise NotFound(f"there is no missed stretch {stretch}; 'latentwatch alerts missed MONITOR' lists them")
        session.delete(row)


def missed_spans(session: Session, monitor: str) -> list[tuple[str, datetime, datetime]]:
    """Entity, start and end of each, for whoever keeps them out of training."""
    row = MissedStretchRow
    found = session.execute(select(row.entity, row.started, row.ended).where(row.monitor == monitor))
    return [(entity, start, end) for entity, start, end in found]


def _of(row: MissedStretchRow) -> MissedStretch:
    return MissedStretch(
        row.id, row.monitor, row.entity, row.started, row.ended, row.cause, row.note, row.author, row.created
    )
