"""The room's reading sessions, with one more failure that waiting may cure: a database that nobody has prepared yet."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts import session as sessions
from domain.errors import Unavailable

_UNDEFINED_TABLE = "42P01"


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A consistent view that changes nothing. Raises Unavailable when the database is away or has no tables yet."""
    try:
        with sessions.reading(engine) as session:
            yield session
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE and "no such table" not in str(error.orig):
            raise
        raise Unavailable(
            f"database {sessions.where(engine)} has no tables yet; start a scorer or run 'latentwatch doctor'"
        ) from error
