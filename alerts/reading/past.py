"""Past alerts with some of their records each, from their whole course: what a preview over the past looks at."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Engine, Select, and_, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.flagged_rows import flagged_of
from latentwatch.alerts.reading.rows import alert_of
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow, FlaggedRecordRow, MinuteCountRow
from latentwatch.domain.alert import Alert, AlertKind, FlaggedRecord
from latentwatch.domain.errors import InvalidInput, NotFound

MOST_ALERTS = 1_000
"""Past alerts that are looked at, the latest first."""
MOST_RECORDS = 4_000
"""Of all of them together."""
_FEWEST_OF_AN_ALERT = 4
_PAGE = 400


def past_alerts(engine: Engine, monitor: str) -> list[tuple[Alert, list[FlaggedRecord]]]:
    """The monitor's latest alerts about anomalies, each with records evenly from its course. Raises Unavailable."""
    row = AlertRow
    wanted = (row.monitor == monitor, row.kind == AlertKind.ANOMALY)
    with reading(engine) as session:
        found = session.scalars(select(row).where(*wanted).order_by(row.started.desc()).limit(MOST_ALERTS)).all()
        each = max(_FEWEST_OF_AN_ALERT, MOST_RECORDS // max(1, len(found)))
        return _with_records(session, found, each)


def chosen_alerts(
    engine: Engine, monitor: str, ids: Sequence[int], each: int
) -> list[tuple[Alert, list[FlaggedRecord]]]:
    """These alerts of a monitor, each with at most so many records evenly from its course.

    Raises NotFound for one that is none of the monitor's, InvalidInput for one without records, Unavailable.
    """
    with reading(engine) as session:
        found = {row.id: row for row in session.scalars(select(AlertRow).where(AlertRow.id.in_(ids)))}
        for number in ids:
            if number not in found or found[number].monitor != monitor:
                raise NotFound(
                    f"monitor {monitor!r} has no alert {number}; 'latentwatch alerts list' shows those it has"
                )
            if found[number].kind is not AlertKind.ANOMALY:
                raise InvalidInput(
                    f"alert {number} has no records: its entity {found[number].kind.in_words}; nothing can be excepted"
                )
        return _with_records(session, [found[number] for number in dict.fromkeys(ids)], each)


def records_scored(engine: Engine, monitor: str) -> int:
    """How many records the monitor's scorers have scored, as far as counts are kept. Raises Unavailable."""
    row = MinuteCountRow
    with reading(engine) as session:
        return int(session.scalar(select(func.sum(row.scored)).where(row.monitor == monitor)) or 0)


def _with_records(session: Session, alerts: Sequence[AlertRow], each: int) -> list[tuple[Alert, list[FlaggedRecord]]]:
    records: dict[int, list[FlaggedRecord]] = {row.id: [] for row in alerts}
    ids = list(records)
    for start in range(0, len(ids), _PAGE):
        for found in session.scalars(_spread(ids[start : start + _PAGE], each)):
            records[found.alert_id].append(flagged_of(found))
    return [(alert_of(row), records[row.id]) for row in alerts]


def _spread(ids: Sequence[int], each: int) -> Select[FlaggedRecordRow]:
    """Every n-th record of each alert in the order of time, so that at most so many are left."""
    row = FlaggedRecordRow
    key = (row.monitor, row.source, row.partition, row.offset)
    place = func.row_number().over(partition_by=row.alert_id, order_by=(row.time, row.offset))
    count = func.count().over(partition_by=row.alert_id)
    numbered = select(*key, (place - 1).label("place"), count.label("count")).where(row.alert_id.in_(ids)).subquery()
    stride = (numbered.c.count + each - 1) // each
    same: list[ColumnElement[bool]] = [
        row.monitor == numbered.c.monitor,
        row.source == numbered.c.source,
        row.partition == numbered.c.partition,
        row.offset == numbered.c.offset,
    ]
    return (
        select(row).join(numbered, and_(*same)).where(numbered.c.place % stride == 0).order_by(row.alert_id, row.time)
    )
