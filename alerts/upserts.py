"""INSERT statements that meet existing rows, spelled the same for SQLite and PostgreSQL and built once.

Rows given to one of them must not hold the same key twice, and should come sorted by key, so that two processes that
meet on rows meet in the same order.
"""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from alerts.columns import Row


def insert_new(connection: Connection, row: type[Row], values: list[dict[str, Any]]) -> int:
    """Insert the rows whose key is not there yet, leave the others as they are; returns how many were inserted."""
    return _execute(connection, _ignoring(_table(row), connection.dialect.name), values)


def insert_or_replace(
    connection: Connection, row: type[Row], values: list[dict[str, Any]], newest: str | None = None
) -> None:
    """Insert rows, overwriting those with the same key; only by one not older in the column `newest`, where given."""
    _execute(connection, _replacing(_table(row), connection.dialect.name, newest), values)


def insert_or_add(connection: Connection, row: type[Row], values: list[dict[str, Any]]) -> None:
    """Insert rows, adding to those with the same key in every column outside the key."""
    _execute(connection, _adding(_table(row), connection.dialect.name), values)


def _execute(connection: Connection, statement: Any, values: list[dict[str, Any]]) -> int:
    if not values:
        return 0
    return connection.execute(statement, values, execution_options=_COUNTED).rowcount


_COUNTED = {"preserve_rowcount": True}
"""Without it, SQLAlchemy lets go of an INSERT before its rows can be counted."""


def _table(row: type[Row]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)
    return table


def _insert(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@cache
def _ignoring(table: Table, dialect: str) -> Any:
    return _insert(table, dialect).on_conflict_do_nothing()


@cache
def _replacing(table: Table, dialect: str, newest: str | None) -> Any:
    insert = _insert(table, dialect)
    given = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column.name: given[column.name] for column in table.columns if not column.primary_key},
        where=None if newest is None else given[newest] >= table.c[newest],
    )


@cache
def _adding(table: Table, dialect: str) -> Any:
    insert = _insert(table, dialect)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column.name: column + insert.excluded[column.name] for column in table.columns if not column.primary_key},
    )
