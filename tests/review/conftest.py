"""A drawn database and a client of the app over it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from latentwatch.alerts.database import migrate, open_database
from latentwatch.domain.clock import ManualClock
from latentwatch.review.app import create_api, create_app
from latentwatch.review.config import ReviewConfig
from latentwatch.review.room import Room
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


@pytest.fixture
def room(engine: Engine, clock: ManualClock, tmp_path: Path) -> Room:
    """The drawing, as pages see it."""
    return Room(engine, ReviewConfig(), str(tmp_path / "bundles"), clock)


@pytest.fixture
def empty_room(empty_engine: Engine, clock: ManualClock, tmp_path: Path) -> Room:
    """A database without rows, as pages see it."""
    return Room(empty_engine, ReviewConfig(), str(tmp_path / "bundles"), clock)


@dataclass(frozen=True)
class Pages:
    """The whole app with its pages, started once, over a file that each test fills anew."""

    client: TestClient
    engine: Engine
    file: Path

    def show(self, database: Path) -> TestClient:
        """A client of the pages over a copy of another database."""
        self.engine.dispose()
        _fill(self.file, database)
        return self.client


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """NiceGUI starts once in a process."""
    folder = tmp_path_factory.mktemp("pages")
    engine = open_database(f"sqlite:///{folder}/review.db")
    app = create_app(engine, None, str(folder / "bundles"), ManualClock(NOW))
    with ExitStack() as stack:
        with warnings.catch_warnings():
            # NiceGUI looks for its server among all objects of the process; one of torch's warns when looked at.
            warnings.filterwarnings("ignore", "`torch.distributed.reduce_op` is deprecated", FutureWarning)
            client = stack.enter_context(TestClient(app, base_url="http://localhost", follow_redirects=False))
        yield Pages(client, engine, folder / "review.db")
    engine.dispose()


def _copy(source: Path, folder: Path) -> Iterator[Engine]:
    file = folder / "review.db"
    _fill(file, source)
    engine = open_database(f"sqlite:///{file}")
    yield engine
    engine.dispose()


def _fill(file: Path, source: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        beside = file.with_name(file.name + suffix)
        beside.unlink(missing_ok=True)
        if suffix != "-shm" and source.with_name(source.name + suffix).exists():
            beside.write_bytes(source.with_name(source.name + suffix).read_bytes())


@pytest.fixture
def client_of(clock: ManualClock, tmp_path: Path) -> Callable[..., TestClient]:
    """Makes a client of the API over an engine, without cookies, coming from this machine."""

    def make(engine: Engine, config: ReviewConfig | None = None, base_url: str = "http://localhost") -> TestClient:
        app = create_api(engine, config, str(tmp_path / "bundles"), clock)
        return TestClient(app, base_url=base_url, follow_redirects=False)

    return make


@pytest.fixture
def client(engine: Engine, client_of: Callable[..., TestClient]) -> TestClient:
    """A client of the API over the drawing."""
    return client_of(engine)
