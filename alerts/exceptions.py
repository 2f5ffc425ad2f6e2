"""Exceptions in the database: made, listed, counted and taken back.

A scorer reads those in force every second; what they came to is written in the transaction of the batch that they acted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Select, bindparam, case, or_, select, update

from latentwatch.alerts.columns import UtcTime
from latentwatch.alerts.exception_table import ExceptionRow
from latentwatch.alerts.session import reading, transaction
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.exceptions import Exceptions, Form, InForce, form_from_json, form_to_json
from latentwatch.domain.outcome import ExceptedCount


@dataclass(frozen=True, slots=True)
class StoredException:
    """An exception with who made it, why, and what it came to."""

    id: int
    monitor: str
    form: Form
    until: datetime | None
    """Event time at which it ends; None for never."""
    author: str
    note: str
    alerts: tuple[int, ...]
    """Those it was made for."""
    created: datetime
    records: int
    """How many it let pass since; of a level, how many it had read otherwise."""
    last: datetime | None
    """Event time of the latest of those."""
    removed: datetime | None
    """When it was taken back; None where it acts."""
    removed_by: str

    @property
    def text(self) -> str:
        """What it says, for people."""
        return self.form.in_words


def add_exception(
    engine: Engine,
    monitor: str,
    form: Form,
    *,
    author: str,
    note: str = "",
    until: datetime | None = None,
    alerts: Sequence[int] = (),
    clock: Clock | None = None,
) -> StoredException:
    """Make an exception; scorers take it up within seconds. One that says the same and acts already is returned as it is.

    Raises InvalidInput where nobody signs it, Unavailable.
    """
    if not author.strip():
        raise InvalidInput("an exception needs its author's name; give one")
    with transaction(engine) as session:
        for row in session.scalars(_of(monitor).where(ExceptionRow.removed.is_(None))):
            if form_from_json(row.form) == form and row.until == until:
                return _stored(row)
        row = ExceptionRow(
            monitor=monitor,
            form=form_to_json(form),
            until=until,
            author=author.strip(),
            note=note.strip(),
            alerts=list(alerts),
            created=(clock or SystemClock()).now(),
            records=0,
            last=None,
            removed=None,
            removed_by="",
        )
        session.add(row)
        session.flush()
        return _stored(row)


def remove_exception(
    engine: Engine, monitor: str, exception: int, author: str, clock: Clock | None = None
) -> StoredException:
    """Take an exception back; what it covered alarms again within seconds. One that was taken back before stays as it is.

    Raises NotFound, and InvalidInput where nobody signs it, Unavailable.
    """
    if not author.strip():
        raise InvalidInput("taking an exception back needs a name; give one")
    with transaction(engine) as session:
        row = session.get(ExceptionRow, exception, with_for_update=True)
        if row is None or row.monitor != monitor:
            raise NotFound(
                f"monitor {monitor!r} has no exception {exception}; 'latentwatch exceptions list {monitor}' shows those it has"
            )
        if row.removed is None:
            row.removed, row.removed_by = (clock or SystemClock()).now(), author.strip()
        return _stored(row)


def exceptions(engine: Engine, monitor: str, *, removed: bool = False) -> list[StoredException]:
    """A monitor's exceptions, the newest first; with `removed` also those that were taken back. Raises Unavailable."""
    wanted = _of(monitor) if removed else _of(monitor).where(ExceptionRow.removed.is_(None))
    with reading(engine) as session:
        return [_stored(row) for row in session.scalars(wanted.order_by(ExceptionRow.id.desc()))]


def exceptions_in_force(engine: Engine, monitor: str) -> Exceptions:
    """Those that act, the oldest first, also where they have ended: records of before may still come. Raises Unavailable."""
    row = ExceptionRow
    wanted = select(row.id, row.form, row.until).where(row.monitor == monitor, row.removed.is_(None)).order_by(row.id)
    with reading(engine) as session:
        return Exceptions(
            tuple(InForce(id_, form_from_json(form), until) for id_, form, until in session.execute(wanted))
        )


_COUNT = (
    update(ExceptionRow)
    .where(ExceptionRow.id == bindparam("exception"), ExceptionRow.monitor == bindparam("of_monitor"))
    .values(
        records=ExceptionRow.records + bindparam("more"),
        last=case(
            (
                or_(ExceptionRow.last.is_(None), ExceptionRow.last < bindparam("latest", type_=UtcTime())),
                bindparam("latest", type_=UtcTime()),
            ),
            else_=ExceptionRow.last,
        ),
    )
)


def add_excepted(connection: Connection, monitor: str, counts: Sequence[ExceptedCount]) -> None:
    """Add what a batch's exceptions came to."""
    totals: dict[int, ExceptedCount] = {}
    for count in counts:
        known = totals.get(count.exception)
        totals[count.exception] = (
            count
            if known is None
            else ExceptedCount(count.exception, known.records + count.records, max(known.last, count.last))
        )
    if totals:
        rows = [
            {"exception": each.exception, "of_monitor": monitor, "more": each.records, "latest": each.last}
            for _, each in sorted(totals.items())
        ]
        connection.execute(_COUNT, rows)


def _of(monitor: str) -> Select[ExceptionRow]:
    return select(ExceptionRow).where(ExceptionRow.monitor == monitor)


def _stored(row: ExceptionRow) -> StoredException:
    return StoredException(
        id=row.id,
        monitor=row.monitor,
        form=form_from_json(row.form),
        until=row.until,
        author=row.author,
        note=row.note,
        alerts=tuple(row.alerts),
        created=row.created,
        records=row.records,
        last=row.last,
        removed=row.removed,
        removed_by=row.removed_by,
    )
