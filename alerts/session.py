"""Transactions: the only place that commits, and the only place that tells a database that is away from a wrong program.

Everything in the room runs inside `transaction` (reads and writes, all or nothing) or `reading` (reads only). Whoever
calls the room sees `Unavailable` when waiting and trying again is the right answer, and nothing has changed then, with
one exception: a COMMIT whose acknowledgement was lost may have happened, so look before repeating it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError
from sqlalchemy.orm import Session

from latentwatch.domain.addresses import without_secrets
from latentwatch.domain.errors import InvalidInput, Unavailable

_PASSING_STATES = ("08", "40", "53", "55", "57", "58", "25006")
"""SQLSTATE classes worth waiting out: connection, rollback (deadlock), resources (disk, memory, connections), lock not
available, operator intervention (restart), I/O; and a server that is read-only while it fails over."""

_DAMAGED = (11, 26)
"""SQLite's codes for a file that is corrupt, and for one that never was a database."""

_READ_ONLY, _DURABLE = "latentwatch_read_only", "latentwatch_durable"
_UNDEFINED_TABLE = "42P01"


@contextmanager
def transaction(engine: Engine, *, durable: bool = True) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises.

    A durable one is on disk when the block has ended, and with it all that was committed before. Not durable means: a
    power cut may undo the last commits (never tear one). It serves whoever can repeat the work, as the scorer can, whose
    position is in the same transaction. Raises Unavailable.
    """
    with _translated(engine), Session(engine, expire_on_commit=False, autoflush=False) as session:
        session.connection(execution_options={_DURABLE: durable})
        if not durable and engine.dialect.name == "postgresql":
            session.execute(_RELAX)
        yield session
        session.commit()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A consistent view of the database that changes nothing and, on SQLite, waits for no writer.

    Raises Unavailable, also where nobody has prepared the database yet: a reader waits until a writer has.
    """
    try:
        with _translated(engine), engine.connect() as connection:
            options: dict[str, Any] = {_READ_ONLY: True}
            if engine.dialect.name == "postgresql":
                options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            connection = connection.execution_options(**options)
            with Session(connection, autoflush=False) as session:
                yield session
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE and "no such table" not in str(error.orig):
            raise
        raise Unavailable(
            f"database {where(engine.url)} has no tables yet; start a scorer or run 'latentwatch doctor'"
        ) from error


def take_turns(connection: Connection, names: Iterable[str]) -> None:
    """Lock names until the transaction ends, so that whoever takes the same ones waits. On SQLite writers wait anyway."""
    if connection.dialect.name == "postgresql":
        digests = {blake2b(name.encode("utf-8", "replace"), digest_size=8).digest() for name in names}
        keys = sorted(int.from_bytes(digest, "big", signed=True) for digest in digests)
        connection.execute(_LOCK, {"keys": keys})


_LOCK = text("SELECT count(pg_advisory_xact_lock(key)) FROM unnest(CAST(:keys AS bigint[])) AS key")
_RELAX = text("SET LOCAL synchronous_commit = off")


def begin_explicitly(engine: Engine) -> None:
    """Have SQLite begin transactions when SQLAlchemy does, a writer's with the write lock in hand.

    The driver's own habit, to begin at the first write, lets two writers read first and then deadlock.
    """

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY)
        if not read_only:
            durable = connection.get_execution_options().get(_DURABLE, True)
            connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Unavailable(
            f"database {where(engine.url)}: every connection of the pool is busy ({error}); "
            "it is tried again, or allow more connections"
        ) from error
    except DBAPIError as error:
        if _sqlite_code(error) in _DAMAGED:
            raise InvalidInput(
                f"database {where(engine.url)}: {reason(error)}; name another file, or restore this one from a backup"
            ) from error
        if not is_passing(error):
            raise
        raise Unavailable(f"database {where(engine.url)}: {reason(error)}; check that it runs and has room") from error


def is_passing(error: DBAPIError) -> bool:
    """Whether the database is away or busy, as opposed to a statement being wrong."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state).startswith(_PASSING_STATES)
    # SQLite, and PostgreSQL connections that died without a state.
    return isinstance(error, OperationalError) and not _is_wrong_statement(error)


def _is_wrong_statement(error: OperationalError) -> bool:
    """SQLite files wrong SQL under operational errors as well, all with its general code 1."""
    return _sqlite_code(error) == 1


def _sqlite_code(error: DBAPIError) -> int | None:
    """SQLite's primary result code, without the details that the higher bits carry."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def reason(error: DBAPIError) -> str:
    """The driver's own words, on one line."""
    return " ".join(str(error.orig).split()) or type(error.orig).__name__


def where(address: URL) -> str:
    """A database's address without its passwords."""
    return without_secrets(address.render_as_string(hide_password=False))
