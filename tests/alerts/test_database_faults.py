"""The store on SQLite while the disk is full, the file is locked or damaged: nothing lost, and said aloud."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.errors import InvalidInput, PartitionLost, Unavailable
from tests.alerts.build import MONITOR, SOURCE, dead, flagged, outcome

BATCH = outcome(0, 10, [flagged(1), flagged(2)])


@pytest.fixture
def hasty(database_url: str) -> Iterator[Engine]:
    """A database whose connections give up waiting for a lock at once."""
    engine = open_database(database_url)

    @event.listens_for(engine, "connect")
    def hurry(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 1")

    yield engine
    engine.dispose()


@pytest.fixture
def store(hasty: Engine) -> AlertStore:
    """A store with one partition claimed."""
    store = AlertStore(hasty, MONITOR)
    store.claim(SOURCE, 0, 0)
    return store


def test_a_full_disk_is_a_passing_fault(store: AlertStore, hasty: Engine) -> None:
    """A batch for which there is no room is refused whole, can be read around, and is written when there is room."""
    with reading(hasty) as session:
        pages = session.execute(text("PRAGMA page_count")).scalar()
        session.execute(text(f"PRAGMA max_page_count = {pages}"))
    large = outcome(0, 10, [flagged(1)], dead=[dead(2, payload=bytes(2_000_000))])
    with pytest.raises(Unavailable, match="full"):
        store.commit(large)
    assert store.positions(SOURCE) == {0: 0}
    with reading(hasty) as session:
        session.execute(text("PRAGMA max_page_count = 1000000"))
    store.commit(large)
    assert store.positions(SOURCE) == {0: 10}


def test_a_locked_database_is_a_passing_fault(store: AlertStore, database_url: str) -> None:
    """While another process writes, reading goes on and committing asks to be repeated."""
    other = open_database(database_url)
    with transaction(other) as session:
        session.execute(text("UPDATE offsets SET updated = updated"))
        with pytest.raises(Unavailable, match="locked"):
            store.commit(BATCH)
        assert store.positions(SOURCE) == {0: 0}
    other.dispose()
    store.commit(BATCH)
    assert store.positions(SOURCE) == {0: 10}


def test_writers_take_turns(database_url: str, store: AlertStore) -> None:
    """Writers of several threads and engines wait for each other; of the same batch one writer's is written."""
    engines = [open_database(database_url) for _ in range(3)]

    def attempt(engine: Engine) -> str:
        try:
            AlertStore(engine, MONITOR).commit(BATCH)
        except PartitionLost:
            return "lost"
        return "written"

    with ThreadPoolExecutor(6) as pool:
        results = sorted(pool.map(attempt, engines * 2))
    for engine in engines:
        engine.dispose()
    assert results == ["lost"] * 5 + ["written"]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """Pointing at some other file is a mistake to correct, not something to wait for."""
    file = tmp_path / "notes.txt"
    file.write_text("no database at all\n" * 100)
    engine = open_database(f"sqlite:///{file}")
    with pytest.raises(InvalidInput, match=r"notes\.txt.*not a database"):
        migrate(engine)
    engine.dispose()
    assert file.read_text().startswith("no database at all")


def test_a_read_only_place_is_named(tmp_path: Path) -> None:
    """Where the file cannot be made, the reason names the file."""
    (tmp_path / "taken.db").mkdir()
    engine = open_database(f"sqlite:///{tmp_path / 'taken.db'}")
    with pytest.raises(Unavailable, match=r"taken\.db: unable to open"):
        migrate(engine)
    engine.dispose()
