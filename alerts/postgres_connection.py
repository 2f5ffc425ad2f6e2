"""PostgreSQL's connections, with an end to their patience.

TCP notices a machine that is gone, within seconds as the engine sets it up. It does not notice a server, or a proxy
before it, that takes what is sent and never answers: without a limit of our own, whoever asks such a one waits for ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout
from psycopg.rows import TupleRow
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Engine, event

_INTERVAL_SECONDS = 0.1


class ImpatientConnection(Connection[TupleRow]):
    """Ends itself where one statement is not answered in time; what became of the statement only the database knows."""

    answer_seconds: float | None = None
    """No limit where None."""

    def wait(self, gen: PQGen[Any], interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> Any:
        """What the server answers. Raises OperationalError, the connection being closed, where it does not in time."""
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except _WaitTimeout:
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise OperationalError(f"no answer within {self.answer_seconds:g} s, connection given up") from None


def limit_waiting(engine: Engine, answer_seconds: float) -> None:
    """Have every connection of an engine wait for one answer only so long."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> ImpatientConnection:
        connection = ImpatientConnection.connect(*arguments, **named)
        connection.answer_seconds = answer_seconds
        return connection


@contextmanager
def without_limit(connection: SqlConnection) -> Iterator[None]:
    """No limit within the block, which has statements that take long by right."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, ImpatientConnection)
    limit, driver.answer_seconds = driver.answer_seconds, None
    try:
        yield
    finally:
        driver.answer_seconds = limit
