"""Copying a database into another, empty one: every table of the schema, read in one snapshot, written in one transaction.

In: two engines, SQLite or PostgreSQL → Out: how many rows of each table were copied. Nothing of them is visible in the
target until all are there and the counts agree, so that a copy that was cut off is simply run again.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    LargeBinary,
    Table,
    func,
    insert,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy import table as table_named
from sqlalchemy.exc import DBAPIError

from latentwatch.alerts.columns import Floats
from latentwatch.alerts.database import SchemaState, migrate, schema_state, unhurried
from latentwatch.alerts.every_table import SCHEMA
from latentwatch.alerts.heartbeats import Heartbeat, heartbeats
from latentwatch.alerts.session import is_passing, reading, reason, transaction, where
from latentwatch.domain.errors import InvalidInput, LatentwatchError, Unavailable

_BATCH_ROWS, _BATCH_BYTES = 500, 16 * 2**20
"""Held in memory at a time; a row's blobs count as long as the table's longest. A single row may be longer."""
_COUNTED_UP_TO = 100_000
"""Enough to see that a target is not empty; a large one would be counted for minutes."""


def copied_tables() -> list[Table]:
    """Every table of the schema; those that others refer to come first."""
    return SCHEMA.sorted_tables


def running_scorers(engine: Engine, now: datetime) -> list[Heartbeat]:
    """Scorers that a database heard from within 30 seconds. Raises Unavailable."""
    return [one for one in heartbeats(engine) if one.is_alive(now)]


def copy_database(
    source: Engine,
    target: Engine,
    now: datetime,
    *,
    force: bool = False,
    on_progress: Callable[[str, float], None] = lambda step, share: None,
) -> dict[str, int]:
    """Copy every row of every table, all or nothing; returns how many of each table. Never writes to the source.

    The target is migrated first, and closed to other writers meanwhile. `on_progress` gets a table in words and the
    share of it that is copied, 0 to 1. `force` copies although a scorer runs, whose later commits are not copied.

    Raises InvalidInput where the source is not of this version's schema, a scorer runs and `force` is not set, the
    target holds rows or cannot hold one of the source's; LatentwatchError where counts differ; Unavailable.
    """
    _refuse_same(source, target)
    _require_current(source)
    if not force:
        _refuse_while_alive(source, now)
    with _named(target):
        with reading(target) as session:
            _require_empty(session.connection())
        migrate(target)
        with reading(source) as reader, transaction(target) as writer:
            snapshot, written = reader.connection(), writer.connection()
            with _untimed(snapshot), _untimed(written):
                _shut_out_others(written)
                _require_empty(written)
                copied = {table.name: _copy_table(snapshot, written, table, on_progress) for table in copied_tables()}
                _compare_counts(written, copied)
                _move_sequences(written)
    return copied


def _refuse_same(source: Engine, target: Engine) -> None:
    if target.dialect.name == "sqlite" and target.url.database in (None, "", ":memory:"):
        raise InvalidInput(
            f"database {where(target.url)} lies in memory and ends with this command; name a file: sqlite:///latentwatch.db"
        )
    if _place(source) == _place(target):
        raise InvalidInput(f"database {where(target.url)} is the one that is copied; name another one to copy to")


def _place(engine: Engine) -> tuple[object, ...]:
    url = engine.url
    if engine.dialect.name == "sqlite":
        return (Path(str(url.database)).resolve(),)
    return url.host, url.port or 5432, url.database, tuple(sorted(url.query.items()))


def _require_current(source: Engine) -> None:
    state = schema_state(source)
    if state is SchemaState.CURRENT:
        return
    raise InvalidInput(
        f"database {where(source.url)} "
        + {
            SchemaState.ABSENT: "has no tables of Latentwatch's; check the address",
            SchemaState.OLDER: (
                "was written by an older version, and a copy does not change what it copies; bring it up to date first: "
                "'latentwatch monitors list' with LATENTWATCH_DATABASE set to it"
            ),
            SchemaState.NEWER: "was written by a newer version; copy it with that one",
        }[state]
    )


def _refuse_while_alive(source: Engine, now: datetime) -> None:
    alive = running_scorers(source, now)
    if alive:
        raise InvalidInput(
            f"a scorer of {alive[0].monitor!r} runs on {alive[0].host} (process {alive[0].pid}), and what it stores from now "
            "on would be missing from the copy; stop it first (one that was killed counts for 30 seconds more), "
            "or copy what is there now with --force"
        )


def _require_empty(target: Connection) -> None:
    held: dict[str, int] = {}
    for name in inspect(target).get_table_names():
        if name != "alembic_version":
            some = select(literal_column("1")).select_from(table_named(name)).limit(_COUNTED_UP_TO).subquery()
            held[name] = target.scalar(select(func.count()).select_from(some)) or 0
    rows = [
        f"{count:,}{' or more' * (count == _COUNTED_UP_TO)} in {name}" for name, count in sorted(held.items()) if count
    ]
    if rows:
        raise InvalidInput(
            f"database {where(target.engine.url)} is not empty, it has rows: {', '.join(rows)}; copy to a new database, "
            "or empty this one yourself"
        )


def _shut_out_others(target: Connection) -> None:
    """No other copy, and no scorer, writes there meanwhile; on SQLite none can."""
    if target.dialect.name == "postgresql":
        names = ", ".join(target.dialect.identifier_preparer.format_table(table) for table in copied_tables())
        target.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


def _copy_table(source: Connection, target: Connection, table: Table, on_progress: Callable[[str, float], None]) -> int:
    with _named(source.engine, table):
        rows, longest = _measure(source, table)
    if not rows:
        return 0
    step, copied = f"{table.name}: {rows:,} rows", 0
    on_progress(step, 0.0)
    with closing(_batches(source, table, max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, longest))))) as batches:
        for batch in batches:
            with _named(target.engine, table):
                target.execute(insert(table), batch)
            copied += len(batch)
            on_progress(step, copied / rows)
    if copied != rows:
        raise LatentwatchError(
            f"database {where(source.engine.url)}, table {table.name}: {rows:,} rows were counted and {copied:,} read; "
            "nothing was copied. Check the database for damage"
        )
    return copied


def _measure(source: Connection, table: Table) -> tuple[int, int]:
    """How many rows, and how many bytes its blobs have at most in one row."""
    blobs = [column for column in table.columns if isinstance(column.type, LargeBinary | Floats)]
    rows, *longest = source.execute(
        select(func.count(), *(func.max(func.length(blob)) for blob in blobs)).select_from(table)
    ).one()
    return rows, sum(length or 0 for length in longest)


def _batches(source: Connection, table: Table, rows: int) -> Generator[list[dict[str, Any]]]:
    with _named(source.engine, table), source.execute(select(table), execution_options={"yield_per": rows}) as result:
        for part in result.mappings().partitions():
            yield [dict(row) for row in part]


def _compare_counts(target: Connection, copied: dict[str, int]) -> None:
    for table in copied_tables():
        there = target.scalar(select(func.count()).select_from(table))
        if there != copied[table.name]:
            raise LatentwatchError(
                f"database {where(target.engine.url)}, table {table.name}: {copied[table.name]:,} rows were written and "
                f"{there:,} are there; nothing was kept. Look for triggers or rules on the table, and copy again"
            )


def _move_sequences(target: Connection) -> None:
    """Rows came with their keys, of which PostgreSQL's sequences know nothing. SQLite takes the highest key there is."""
    if target.dialect.name != "postgresql":
        return
    for table in copied_tables():
        key = table.autoincrement_column
        if key is not None:
            # Of an empty table the highest key is NULL, and setval does nothing.
            target.execute(select(func.setval(func.pg_get_serial_sequence(table.name, key.name), func.max(key))))


@contextmanager
def _untimed(connection: Connection) -> Iterator[None]:
    """Counting takes long, and one database waits while the other works."""
    with unhurried(connection):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield


@contextmanager
def _named(engine: Engine, table: Table | None = None) -> Iterator[None]:
    """Says which of the two databases refused something, and at which table."""
    try:
        yield
    except DBAPIError as error:
        place = f"database {where(engine.url)}" + ("" if table is None else f", table {table.name}")
        if is_passing(error):
            raise Unavailable(
                f"{place}: {reason(error)}; nothing was copied. Check that it runs and has room"
            ) from error
        raise InvalidInput(f"{place}: {reason(error)}; nothing was copied") from error
