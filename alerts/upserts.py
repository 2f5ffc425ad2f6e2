"""INSERT statements that meet existing rows, spelled the same for SQLite and PostgreSQL and built once.

Rows given to one of them must not hold the same key twice, and should come sorted by key, so that two processes that
meet on rows meet in the same order.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from latentwatch.alerts.bulk import copy_rows, rows_as_json, rows_selected
from latentwatch.alerts.columns import Row

Insert: TypeAlias = postgresql.Insert | sqlite.Insert
OnConflict: TypeAlias = Callable[[Insert, Table], Insert]


def insert_new(connection: Connection, row: type[Row], values: list[dict[str, Any]]) -> int:
    """Insert the rows whose key is not there yet, leave the others as they are; returns how many were inserted."""
    return _execute(connection, row, values, _ignore)


def insert_unless_stored(connection: Connection, row: type[Row], values: list[dict[str, Any]]) -> bool:
    """Insert rows none of which should be there; False where one is, and then the transaction must be rolled back."""
    table = row.__table__
    assert isinstance(table, Table)
    if connection.dialect.name != "postgresql":
        return insert_new(connection, row, values) == len(values)
    try:
        copy_rows(connection, table, values)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        return False
    return True


def insert_or_replace(connection: Connection, row: type[Row], values: list[dict[str, Any]]) -> None:
    """Insert rows, overwriting those with the same key."""
    _execute(connection, row, values, _replace)


def insert_or_renew(connection: Connection, row: type[Row], values: list[dict[str, Any]]) -> None:
    """Insert rows, overwriting those with the same key and no later `time`."""
    _execute(connection, row, values, _renew)


def insert_or_add(connection: Connection, row: type[Row], values: list[dict[str, Any]]) -> None:
    """Insert rows, adding to those with the same key in every column outside the key."""
    _execute(connection, row, values, _add)


def _ignore(insert: Insert, table: Table) -> Insert:
    return insert.on_conflict_do_nothing()


def _replace(insert: Insert, table: Table) -> Insert:
    given = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=given)


def _renew(insert: Insert, table: Table) -> Insert:
    given = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    newer = given["time"] >= table.c.time
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=given, where=newer)


def _add(insert: Insert, table: Table) -> Insert:
    sums = {column.name: column + insert.excluded[column.name] for column in table.columns if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=sums)


_UNIQUE_VIOLATION = "23505"
_LARGE = {"dead_letters", "context_snapshots", "context_chunks"}
"""Tables whose rows may hold megabytes, which JSON would double."""
_COUNTED = {"preserve_rowcount": True}
"""Without it, SQLAlchemy lets go of an INSERT before its rows can be counted."""


def _execute(connection: Connection, row: type[Row], values: list[dict[str, Any]], on_conflict: OnConflict) -> int:
    if not values:
        return 0
    table = row.__table__
    assert isinstance(table, Table)
    dialect = connection.dialect.name
    if dialect == "postgresql" and table.name not in _LARGE and len(values[0]) == len(table.columns):
        rows = rows_as_json(table, values)
        if rows is not None:
            return connection.execute(
                _from_json(table, on_conflict), {"rows": rows}, execution_options=_COUNTED
            ).rowcount
    return connection.execute(_row_by_row(table, on_conflict, dialect), values, execution_options=_COUNTED).rowcount


@cache
def _from_json(table: Table, on_conflict: OnConflict) -> Insert:
    return on_conflict(rows_selected(table), table)


@cache
def _row_by_row(table: Table, on_conflict: OnConflict, dialect: str) -> Insert:
    return on_conflict(postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table), table)
