"""Opening the database, waiting for it, and bringing its schema up to date.

SQLite runs in WAL mode, where readers never wait for the writer and a commit need not wait for the disk. PostgreSQL is
reached with psycopg 3 only.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, create_engine, event, inspect, make_url, text
from sqlalchemy import Engine as Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

from latentwatch.alerts.columns import to_json
from latentwatch.alerts.postgres_formats import send_binary_where_asked
from latentwatch.alerts.session import begin_explicitly, reading, take_turns, transaction, where
from latentwatch.domain.addresses import without_secrets
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidInput, Unavailable
from latentwatch.domain.private_files import create_private_file

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_WAIT_SECONDS = 15.0
CONNECT_SECONDS = 5
"""How long each of a server's addresses has to take a connection; whoever can wait tries again."""
_ANSWER_SECONDS = 60.0
"""Longer than any statement of ours takes, the wait for a lock included; migrations aside."""
_ALEMBIC = threading.Lock()
"""Alembic keeps its context in a module; threads take turns."""


def open_database(
    url: str,
    *,
    answer_seconds: float = _ANSWER_SECONDS,
    connect_seconds: int = CONNECT_SECONDS,
    read_only: bool = False,
) -> Engine:
    """An engine for a `sqlite:///file`, `sqlite://` (memory) or `postgresql://` address. Connects only when used.

    A PostgreSQL that takes no connection within `connect_seconds`, or leaves one statement unanswered for
    `answer_seconds`, is taken to be away. Through a `read_only` engine, to be used with `reading`, no SQLite file is made
    or changed. Raises InvalidInput for another address, a SQLite folder that does not exist, or a file to read that does not.
    """
    address = _address(url)
    options: dict[str, Any] = {"json_serializer": to_json, "json_deserializer": json.loads}
    if address.get_backend_name() == "postgresql":
        if not find_spec("psycopg"):
            raise InvalidInput(
                f"database {where(address)}: psycopg, which reaches PostgreSQL, is not installed; "
                "install 'latentwatch[postgres]', or in a checkout run 'make setup'"
            )
        engine = create_engine(
            address,
            pool_pre_ping=True,
            pool_size=5,
            max_overflow=10,
            connect_args={
                "connect_timeout": connect_seconds,
                "options": "-c timezone=UTC -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s",
                "application_name": "latentwatch",
                "tcp_user_timeout": 15_000,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                # Statements are few and repeat for hours: preparing them saves their planning.
                "prepare_threshold": 3,
            },
            **options,
        )
        from latentwatch.alerts.postgres_connection import limit_waiting  # imports psycopg

        limit_waiting(engine, answer_seconds)
        send_binary_where_asked(engine)
        event.listen(engine, "connect", _prepare_postgresql)
        event.listen(engine, "checkout", _leave_mode_to_the_server)
        return engine
    memory = address.database in (None, "", ":memory:")
    engine = create_engine(
        address,
        connect_args={"timeout": _LOCK_WAIT_SECONDS, "check_same_thread": False, "isolation_level": None},
        **({"poolclass": StaticPool} if memory else {}),
        **options,
    )
    if read_only:
        _check_file(address)
        event.listen(engine, "connect", _prepare_sqlite_to_read)
    else:
        if not memory:
            event.listen(engine, "do_connect", _create_for_owner)
        event.listen(engine, "connect", _prepare_sqlite)
    begin_explicitly(engine)
    return engine


def _address(url: str) -> URL:
    try:
        address = make_url(url)
        backend, driver = address.get_backend_name(), address.drivername.partition("+")[2]
    except (ArgumentError, NoSuchModuleError):
        raise InvalidInput(
            f"database address {without_secrets(url)!r} cannot be read; write sqlite:///latentwatch.db "
            "or postgresql://user:password@host:5432/name"
        ) from None
    if address.drivername == "postgres" or (backend == "postgresql" and driver in ("", "psycopg")):
        return address.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and driver in ("", "pysqlite"):
        _check_folder(address)
        return address
    raise InvalidInput(
        f"database address {where(address)} names {address.drivername!r}; "
        "only sqlite:///file and postgresql://... are supported"
    )


def _check_folder(address: URL) -> None:
    if address.database in (None, "", ":memory:"):
        return
    folder = Path(str(address.database)).parent
    if not folder.is_dir():
        raise InvalidInput(f"database {where(address)}: the folder {folder} does not exist; create it")


def _check_file(address: URL) -> None:
    if not Path(str(address.database)).is_file():
        raise InvalidInput(
            f"database {where(address)}: there is no such file; check the address and the working folder"
        )


def _leave_mode_to_the_server(connection: Any, _record: Any, _proxy: Any) -> None:
    """Ask for no READ WRITE, as SQLAlchemy does of a connection that once read only.

    A standby refuses the mode with an error of its own, which says nothing of waiting; a write to it says read-only.
    """
    connection.read_only = None


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    """Have large values compressed by LZ4 where the server can: the default costs it 50 µs a flagged record."""
    connection.autocommit = True  # for this alone, which is to outlive the first transaction
    connection.execute(
        "SELECT set_config(name, 'lz4', false) FROM pg_settings"
        " WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
    )
    connection.autocommit = False


def _create_for_owner(_dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
    """A new file is its owner's alone; SQLite gives the files beside it (-wal, -shm) the same mode."""
    with suppress(OSError):  # what hinders us hinders SQLite too, which says it as every other trouble
        create_private_file(arguments[0])


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    # 16 MB of log between checkpoints, the only moments that wait for the disk.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")


def _prepare_sqlite_to_read(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA temp_store = MEMORY")


def wait_for_database(
    engine: Engine,
    clock: Clock,
    on_wait: Callable[[str, float], None],
    *,
    patience_seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Return once the database answers; `on_wait(reason, seconds)` is called before every pause, so that people see it.

    Pauses grow from half a second to ten. Raises Unavailable when patience runs out or `stop` says so; waits for ever
    without either.
    """
    pause, started, attempts = 0.5, clock.monotonic(), 0
    while True:
        attempts += 1
        try:
            with reading(engine) as session:
                session.execute(text("SELECT 1"))
            return
        except Unavailable as error:
            spent = clock.monotonic() - started
            if stop() or (patience_seconds is not None and spent + pause > patience_seconds):
                tried = "once" if attempts == 1 else f"{attempts} times"
                raise Unavailable(f"{error} (tried {tried}, within {spent:.0f} s)") from error
            on_wait(str(error), pause)
        clock.sleep(pause)
        pause = min(10.0, pause * 2)


def migrate(engine: Engine) -> None:
    """Bring the schema up to date. Processes that start together take turns, and the second finds nothing to do.

    Raises Unavailable, or InvalidInput when a newer Latentwatch has already changed the schema.
    """
    if schema_is_current(engine):
        return
    from alembic import command  # 12 MB, for which a process that finds nothing to do has no use
    from alembic.util.exc import CommandError

    with transaction(engine) as session:
        connection = session.connection()
        with unhurried(connection):
            take_turns(connection, ["the schema"])
            try:
                with _ALEMBIC:
                    command.upgrade(alembic_config(connection), "head")
            except CommandError as error:
                raise InvalidInput(
                    f"database {where(engine.url)}: its schema is not one this version knows ({error}); "
                    "install the version of Latentwatch that wrote it, or a newer one"
                ) from error


@contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """Statements of the block may take their time, and wait five minutes for a lock until the transaction ends."""
    if connection.dialect.name != "postgresql":
        yield
        return
    from latentwatch.alerts.postgres_connection import without_limit  # imports psycopg

    connection.execute(text("SET LOCAL lock_timeout = '5min'"))
    with without_limit(connection):
        yield


class SchemaState(StrEnum):
    """How a database's tables stand to the code."""

    ABSENT = "absent"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"
    """Or of a revision that this code has never heard of."""


def schema_state(engine: Engine) -> SchemaState:
    """How the tables stand to the code. Raises Unavailable."""
    known = sorted(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
    with reading(engine) as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return SchemaState.ABSENT
        found = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is None:
        return SchemaState.ABSENT
    if found == known[-1]:
        return SchemaState.CURRENT
    return SchemaState.OLDER if found in known else SchemaState.NEWER


def schema_is_current(engine: Engine) -> bool:
    """Whether `migrate` has nothing to do. Raises Unavailable."""
    return schema_state(engine) is SchemaState.CURRENT


def alembic_config(connection: Connection | None) -> "Config":
    """Alembic's configuration, without a file: the migrations travel inside the package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
