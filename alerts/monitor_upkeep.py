"""Listing, renaming and removing monitors: every table that names a monitor, found in the schema itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, Table, func, select, update
from sqlalchemy.orm import Session

from latentwatch.alerts.columns import Row
from latentwatch.alerts.heartbeats import heartbeats
from latentwatch.alerts.retention import delete_rows
from latentwatch.alerts.session import reading, take_turns, transaction
from latentwatch.alerts.store import write_audit
from latentwatch.alerts.tables import AlertRow, ModelVersionRow, MonitorRow, NotificationRow, OffsetRow, ScorerRow
from latentwatch.domain.alert import AlertStatus
from latentwatch.domain.errors import InvalidInput, InvalidMonitor, NotFound
from latentwatch.domain.model import VersionStatus
from latentwatch.domain.monitor import dump_monitor, parse_monitor
from latentwatch.domain.outcome import AuditEntry

ORPHANED_AFTER = timedelta(days=7)
"""Without a sign of life for longer, a monitor is called orphaned; longer than a weekend with holidays around it."""
_KEYED = ("alert", "run", "model")
"""What a message's key begins with, before the monitor's name."""


@dataclass(frozen=True, slots=True)
class MonitorSummary:
    """A registered monitor in one line."""

    name: str
    source: str
    """Its topics or file; empty where its definition cannot be read any more."""
    versions: int
    serving: int | None
    partitions: int
    """Of its streams, with a stored offset."""
    last_commit: datetime | None
    scorer_seen: datetime | None
    """Latest heartbeat of any of its scorers; forgotten after a week (retention)."""
    alive: bool
    """Whether a scorer runs now."""
    open_alerts: int
    """Alerts that nobody acknowledged."""
    orphaned: bool


def monitor_summaries(engine: Engine, now: datetime) -> list[MonitorSummary]:
    """Every registered monitor, by name. Raises Unavailable."""
    with reading(engine) as session:
        rows = session.scalars(select(MonitorRow).order_by(MonitorRow.name)).all()
        alive = {one.monitor for one in heartbeats(engine, since=now - timedelta(minutes=1)) if one.is_alive(now)}
        return [_summary(session, row, row.name in alive, now) for row in rows]


def last_sign_of_life(session: Session, row: MonitorRow) -> datetime:
    """When a monitor was last defined, scored, or heard of through a scorer."""
    committed, seen = _latest(session, row.name)
    return max(moment for moment in (row.updated, committed, seen) if moment is not None)


def is_orphaned(last_sign: datetime, now: datetime) -> bool:
    """Whether a monitor with that last sign of life is called orphaned."""
    return now - last_sign > ORPHANED_AFTER


def rename_monitor(engine: Engine, old: str, new: str, now: datetime, *, force: bool = False) -> dict[str, int]:
    """Give a monitor another name in every table, all or nothing; returns how many rows of each table changed.

    A scorer that still runs under the old name loses its partitions. Raises NotFound, InvalidInput where the new name is
    taken or none, or where a scorer is alive and `force` is not set, and Unavailable.
    """
    if not force:
        _refuse_while_alive(engine, old, now, "or, where you know that none runs, --force")
    changed: dict[str, int] = {}
    with transaction(engine) as session:
        take_turns(session.connection(), sorted({f"versions of {old}", f"versions of {new}"}))
        row = session.get(MonitorRow, old, with_for_update=True)
        if row is None:
            raise _unknown(old)
        definition = _renamed(row.definition, old, new)
        taken = {table.name: count for table, count in _counts(session, new).items() if count}
        if taken:
            raise InvalidInput(
                f"there are rows of a monitor {new!r} already ({_in_words(taken)}); choose another name, "
                f"or 'latentwatch monitors remove {new}' first"
            )
        for table in _tables():
            column = _naming(table)
            if column is not None:
                done = session.execute(update(table).where(column == old).values({column.name: new}))
                changed[table.name] = done.rowcount  # type: ignore[attr-defined]
        session.execute(update(MonitorRow).where(MonitorRow.name == new).values(definition=definition, updated=now))
        _rename_keys(session, old, new)
        write_audit(session.connection(), new, "", [AuditEntry("renamed", None, f"it was called {old} before")], now)
    return changed


def rows_of_monitor(engine: Engine, name: str) -> dict[str, int]:
    """How many rows each table has of a monitor, or of what is left of one. Raises NotFound where none has, Unavailable."""
    with reading(engine) as session:
        found = {table.name: count for table, count in _counts(session, name).items() if count}
    if not found:
        raise _unknown(name)
    return found


def remove_monitor(
    engine: Engine, name: str, now: datetime, on_progress: Callable[[str, int], None] = lambda table, deleted: None
) -> dict[str, int]:
    """Delete every row of a monitor; returns how many of each table. Bundles stay.

    Small transactions, so that no other monitor's scorer waits for long; one that was cut off can be repeated. What it is
    registered by goes first: the database keeps what people did and said for as long as a monitor is registered. Raises
    NotFound, InvalidInput where a scorer is alive, and Unavailable.
    """
    found = rows_of_monitor(engine, name)
    _refuse_while_alive(engine, name, now, "which takes 30 seconds to be noticed where it was killed")
    mapped = {mapper.local_table: mapper.class_ for mapper in Row.registry.mappers}
    deleted: dict[str, int] = {}
    first = MonitorRow.__table__
    # Rows that refer to others go before those.
    for table in [first, *(table for table in reversed(_tables()) if table is not first)]:
        if table.name in found:
            deleted[table.name] = delete_rows(engine, mapped[table], [_of(table, name)])
            on_progress(table.name, deleted[table.name])
    return deleted


def _summary(session: Session, row: MonitorRow, alive: bool, now: datetime) -> MonitorSummary:
    name, version = row.name, ModelVersionRow
    committed, seen = _latest(session, name)
    return MonitorSummary(
        name=name,
        source=_source(row.definition),
        versions=session.scalar(select(func.count()).where(version.monitor == name)) or 0,
        serving=session.scalar(
            select(version.version).where(version.monitor == name, version.status == VersionStatus.CHAMPION)
        ),
        partitions=session.scalar(select(func.count()).where(OffsetRow.monitor == name)) or 0,
        last_commit=committed,
        scorer_seen=seen,
        alive=alive,
        open_alerts=session.scalar(
            select(func.count()).where(AlertRow.monitor == name, AlertRow.status == AlertStatus.OPEN)
        )
        or 0,
        orphaned=not alive and is_orphaned(last_sign_of_life(session, row), now),
    )


def _latest(session: Session, name: str) -> tuple[datetime | None, datetime | None]:
    return (
        session.scalar(select(func.max(OffsetRow.updated)).where(OffsetRow.monitor == name)),
        session.scalar(select(func.max(ScorerRow.seen)).where(ScorerRow.monitor == name)),
    )


def _source(definition: str) -> str:
    try:
        source = parse_monitor(definition).source
    except InvalidMonitor:
        return ""
    return source.kafka.topic if source.kafka is not None else str(source.file and source.file.path)


def _refuse_while_alive(engine: Engine, name: str, now: datetime, otherwise: str) -> None:
    alive = [one for one in heartbeats(engine, name) if one.is_alive(now)]
    if alive:
        raise InvalidInput(
            f"a scorer of {name!r} runs on {alive[0].host} (process {alive[0].pid}); stop it first, {otherwise}"
        )


def _renamed(definition: str, old: str, new: str) -> str:
    monitor = parse_monitor(definition, f"registered monitor {old}")
    text = dump_monitor(monitor.model_copy(update={"name": new}))
    try:
        parse_monitor(text)
    except InvalidMonitor:
        raise InvalidInput(
            f"{new!r} cannot name a monitor: a name is 1 to 63 lower-case letters, digits, '-' and '_', "
            "and begins with a letter or digit"
        ) from None
    return text


def _rename_keys(session: Session, old: str, new: str) -> None:
    # Else a new monitor of the old name would find its messages' keys taken, and say nothing.
    for what in _KEYED:
        before, after = f"{what}-{old}-", f"{what}-{new}-"
        for key in (NotificationRow.dedupe_key, NotificationRow.key):
            session.execute(
                update(NotificationRow)
                .where(NotificationRow.monitor == new, func.substr(key, 1, len(before)) == before)
                .values({key: after + func.substr(key, len(before) + 1)})
                .execution_options(synchronize_session=False)
            )


def _tables() -> list[Table]:
    """Tables whose rows belong to a monitor; those that others refer to come first."""
    return [table for table in Row.metadata.sorted_tables if _naming(table) is not None or _parent(table) is not None]


def _naming(table: Table) -> ColumnElement[str] | None:
    """The column that holds the monitor's name."""
    return table.c.name if table is MonitorRow.__table__ else table.c.get("monitor")


def _parent(table: Table) -> tuple[ColumnElement[int], ColumnElement[int]] | None:
    """For a table that names no monitor, the column that refers to one that does, and the column there."""
    for key in table.foreign_keys:
        if key.column.table.c.get("monitor") is not None:
            return key.parent, key.column
    return None


def _of(table: Table, name: str) -> ColumnElement[bool]:
    column, parent = _naming(table), _parent(table)
    if column is not None:
        return column == name
    assert parent is not None, table.name
    mine, theirs = parent
    owner = theirs.table
    return mine.in_(select(theirs).where(owner.c.monitor == name))


def _counts(session: Session, name: str) -> dict[Table, int]:
    return {
        table: session.scalar(select(func.count()).select_from(table).where(_of(table, name))) or 0
        for table in _tables()
    }


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} in {table}" for table, count in counts.items())


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no monitor {name!r}; 'latentwatch monitors list' shows those there are")
