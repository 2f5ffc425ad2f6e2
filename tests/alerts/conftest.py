"""A migrated SQLite database for each test, copied from one that was migrated once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.database import migrate, open_database
from latentwatch.domain.clock import ManualClock
from tests.alerts.build import START


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with today's schema and nothing in it."""
    file = tmp_path_factory.mktemp("database") / "migrated.db"
    engine = open_database(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    return file


@pytest.fixture
def database_url(migrated_file: Path, tmp_path: Path) -> str:
    """The address of a migrated, empty SQLite database of the test's own."""
    shutil.copy(migrated_file, tmp_path / "latentwatch.db")
    return f"sqlite:///{tmp_path / 'latentwatch.db'}"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The migrated, empty database that the contracts run on."""
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at the tests' beginning."""
    return ManualClock(START)
