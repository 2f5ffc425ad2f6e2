"""Opening and waiting for a database; what is passing and what is a mistake."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

import latentwatch.alerts.columns
from latentwatch.alerts.database import open_database, wait_for_database
from latentwatch.alerts.session import reading, transaction
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, Unavailable

UNREACHABLE = "postgresql://ann:secret@127.0.0.1:1/latentwatch"
UNREACHABLE_TOO = "postgresql://127.0.0.1:1/latentwatch?user=ann&password=secret&sslpassword=secret"


def test_documented_examples_hold() -> None:
    """The examples in the documentation of JSON and text storage are true."""
    results = doctest.testmod(latentwatch.alerts.columns)
    assert (results.attempted > 0, results.failed) == (True, 0)


@pytest.mark.parametrize(
    ("address", "fix"),
    [
        ("latentwatch.db", "write sqlite:///"),
        ("mysql://ann:secret@host/db", "only sqlite:///file and postgresql"),
        ("postgresql+psycopg2://ann:secret@host/db", "only sqlite:///file and postgresql"),
        ("mysql://host/db?user=ann&password=secret", "only sqlite:///file and postgresql"),
        ("postgresql:host?password=secret", "cannot be read"),
        ("sqlite:////nowhere/at/all/latentwatch.db", "folder /nowhere/at/all does not exist"),
    ],
)
def test_unusable_addresses_name_the_fix(address: str, fix: str) -> None:
    """An address that cannot be used is refused before anything connects, without its password."""
    with pytest.raises(InvalidInput, match=fix) as refused:
        open_database(address)
    assert "secret" not in str(refused.value)


def test_an_absent_driver_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PostgreSQL's driver is not installed, the address is refused with what to install, without its password."""
    monkeypatch.setattr("latentwatch.alerts.database.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"latentwatch\[postgres\]") as refused:
        open_database("postgresql://ann:secret@host/db")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_means_psycopg_3(scheme: str) -> None:
    """Every spelling of PostgreSQL leads to the one driver."""
    engine = open_database(f"{scheme}://ann@127.0.0.1/db")
    assert engine.url.drivername == "postgresql+psycopg"


def test_sqlite_runs_in_wal_and_keeps_references(engine: Engine) -> None:
    """Readers do not wait for the writer, and foreign keys hold."""
    with reading(engine) as session:
        settings = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "foreign_keys")]
    assert settings == ["wal", 1]


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_only_who_cannot_repeat_waits_for_the_disk(engine: Engine, durable: bool, level: int) -> None:
    """A durable transaction is synced in full, a relaxed one at checkpoints, whichever ran before on the connection."""
    with transaction(engine, durable=not durable):
        pass
    with transaction(engine, durable=durable) as session:
        assert session.execute(text("PRAGMA synchronous")).scalar() == level


def test_memory_databases_work(clock: ManualClock) -> None:
    """A database in memory keeps what one transaction wrote for the next."""
    engine = open_database("sqlite://")
    with transaction(engine) as session:
        session.execute(text("CREATE TABLE kept (value INTEGER)"))
    with transaction(engine) as session:
        session.execute(text("INSERT INTO kept VALUES (7)"))
    with reading(engine) as session:
        assert session.execute(text("SELECT value FROM kept")).scalar() == 7
    engine.dispose()


def test_a_transaction_that_raises_leaves_nothing(engine: Engine) -> None:
    """What a block wrote before it failed is rolled back."""

    def fail_midway() -> None:
        with transaction(engine) as session:
            session.execute(text("INSERT INTO monitors VALUES ('a', '', '[]', '2026-01-01', '2026-01-01')"))
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway()
    with reading(engine) as session:
        assert session.execute(text("SELECT count(*) FROM monitors")).scalar() == 0


def test_waiting_is_visible_and_ends() -> None:
    """A database that is away is waited for with growing pauses, each announced with its reason, until patience ends."""
    clock = ManualClock()
    pauses: list[tuple[str, float]] = []
    engine = open_database(UNREACHABLE)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        wait_for_database(engine, clock, lambda reason, pause: pauses.append((reason, pause)), patience_seconds=30)
    assert [pause for _, pause in pauses] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert clock.monotonic() == 25.5
    assert all("secret" not in reason and "***" in reason for reason, _ in pauses)


def test_waiting_can_be_stopped() -> None:
    """Whoever waits without end can be told to stop."""
    told: list[str] = []
    with pytest.raises(Unavailable):
        wait_for_database(
            open_database(UNREACHABLE),
            ManualClock(),
            lambda reason, pause: told.append(reason),
            stop=lambda: bool(told),
        )
    assert len(told) == 1


def test_waiting_ends_when_the_database_comes(tmp_path: Path, migrated_file: Path) -> None:
    """As soon as the database answers, waiting returns."""
    file = tmp_path / "late" / "latentwatch.db"
    file.parent.mkdir()
    engine = open_database(f"sqlite:///{file}")
    file.parent.rmdir()
    wait_for_database(engine, ManualClock(), lambda reason, pause: file.parent.mkdir())
    engine.dispose()


def test_a_wrong_statement_is_not_a_database_that_is_away(engine: Engine) -> None:
    """Mistakes of the program surface as they are, so that nobody waits for them to pass."""
    with pytest.raises(Exception, match="nowhere") as mistake, reading(engine) as session:
        session.execute(text("SELECT nowhere"))
    assert not isinstance(mistake.value, Unavailable)


@pytest.mark.parametrize("address", [UNREACHABLE, UNREACHABLE_TOO])
def test_a_password_is_in_no_error_wherever_the_address_has_it(address: str) -> None:
    """Errors go to logs and pages; the address in them has stars for what is secret."""
    engine = open_database(address)
    with pytest.raises(Unavailable) as away, reading(engine):
        pass
    assert "secret" not in str(away.value)
    assert "127.0.0.1:1/latentwatch" in str(away.value)


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask, nobody else reads the database, nor the log and the index that SQLite keeps beside it."""
    before = os.umask(0)
    try:
        engine = open_database(f"sqlite:///{tmp_path}/watch.db")
        with transaction(engine) as session:
            session.execute(text("CREATE TABLE t (x INTEGER)"))
            session.execute(text("INSERT INTO t VALUES (1)"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == {"watch.db": 0o600, "watch.db-wal": 0o600, "watch.db-shm": 0o600}


def test_another_connection_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """While one process has connections, another that comes and goes does not take itself for the last.

    It would check the log in and remove it under the first one's feet: "database disk image is malformed".
    """
    address = f"sqlite:///{tmp_path}/watch.db"
    first, second = open_database(address), open_database(address)
    with transaction(first) as session:
        session.execute(text("CREATE TABLE t (x INTEGER)"))
    with reading(first) as held, reading(second) as opened_later:
        held.execute(text("SELECT count(*) FROM t"))
        opened_later.execute(text("SELECT count(*) FROM t"))
        code = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT x FROM t'); db.close()"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "watch.db")], check=True)
        assert (tmp_path / "watch.db-wal").exists()
    first.dispose()
    second.dispose()
