"""Stored flagged records in bulk, for replays: page by page, so that memory stays bounded however many there are."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine, select, tuple_

from latentwatch.alerts.flagged_rows import flagged_of
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import FlaggedRecordRow
from latentwatch.domain.alert import FlaggedRecord

_PAGE = 500


def flagged_records(
    engine: Engine,
    monitor: str,
    *,
    alert: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[FlaggedRecord]:
    """A monitor's flagged records in the order of source, partition and offset: of one alert, or of a half-open time range.

    Each page is a view of its own, so records that are written meanwhile may or may not appear. Raises Unavailable.
    """
    row = FlaggedRecordRow
    key = (row.source, row.partition, row.offset)
    wanted = select(row).where(row.monitor == monitor)
    if alert is not None:
        wanted = wanted.where(row.alert_id == alert)
    if since is not None:
        wanted = wanted.where(row.time >= since)
    if until is not None:
        wanted = wanted.where(row.time < until)
    last: tuple[str, int, int] | None = None
    while True:
        page = wanted if last is None else wanted.where(tuple_(*key) > last)
        with reading(engine) as session:
            found = [flagged_of(each) for each in session.scalars(page.order_by(*key).limit(_PAGE))]
        yield from found
        if len(found) < _PAGE:
            return
        end = found[-1].position
        last = (end.source, end.partition, end.offset)
