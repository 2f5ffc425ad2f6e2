"""A drawn database and a client of the app over it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from alerts.database import migrate, open_database
from domain.clock import ManualClock
from review.app import create_app
from review.config import ReviewConfig
from tests.review.sketch import NOW, draw


@pytest.fixture
def clock() -> ManualClock:
    """Stands still at the moment of the drawing."""
    return ManualClock(NOW)


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file without rows, made once."""
    file = tmp_path_factory.mktemp("blank") / "blank.db"
    engine = open_database(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    return file


@pytest.fixture(scope="session")
def drawn_database(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it with the drawing, made once."""
    file = tmp_path_factory.mktemp("drawn") / "drawn.db"
    file.write_bytes(blank_database.read_bytes())
    engine = open_database(f"sqlite:///{file}")
    draw(engine, ManualClock(NOW))
    engine.dispose()
    return file


@pytest.fixture
def engine(drawn_database: Path, tmp_path: Path) -> Iterator[Engine]:
    """The test's own copy of the drawing."""
    yield from _copy(drawn_database, tmp_path)


@pytest.fixture
def empty_engine(blank_database: Path, tmp_path: Path) -> Iterator[Engine]:
    """The test's own database without rows."""
    yield from _copy(blank_database, tmp_path)


def _copy(source: Path, folder: Path) -> Iterator[Engine]:
    file = folder / "review.db"
    file.write_bytes(source.read_bytes())
    wal = source.with_name(source.name + "-wal")
    if wal.exists():
        file.with_name(file.name + "-wal").write_bytes(wal.read_bytes())
    engine = open_database(f"sqlite:///{file}")
    yield engine
    engine.dispose()


@pytest.fixture
def client_of(clock: ManualClock, tmp_path: Path) -> Callable[..., TestClient]:
    """Makes a client of an app over an engine, without cookies, coming from this machine."""

    def make(engine: Engine, config: ReviewConfig | None = None, base_url: str = "http://localhost") -> TestClient:
        app = create_app(engine, config, str(tmp_path / "bundles"), clock)
        return TestClient(app, base_url=base_url, follow_redirects=False)

    return make


@pytest.fixture
def client(engine: Engine, client_of: Callable[..., TestClient]) -> TestClient:
    """A client of the app over the drawing."""
    return client_of(engine)
