"""How PostgreSQL sends results: as text, in which bytes are twice as long, or in its binary format where asked."""

from typing import Any

from sqlalchemy import Connection, Engine, event

IN_BINARY = {"latentwatch_binary": True}
"""Execution options of a query whose results hold many bytes; other databases have one format and ignore them."""


def send_binary_where_asked(engine: Engine) -> None:
    """Have an engine that speaks to PostgreSQL by psycopg obey `IN_BINARY`."""
    from psycopg.pq import Format  # PostgreSQL's driver is an extra

    @event.listens_for(engine, "before_cursor_execute")
    def choose(
        _connection: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if context is not None and context.execution_options.get("latentwatch_binary"):
            cursor.format = Format.BINARY
