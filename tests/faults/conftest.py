"""Fixtures of the accidents: the services of tests/services, and a scene on them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.services.postgres import PostgresServer
from tests.faults.scene import Scene
from tests.faults.verifier import ACCOUNTED
from tests.faults.workload import PARTITIONS
from tests.services.conftest import (
    fresh_database,
    kafka_address,
    postgres_server,
    postgres_url,
    services_folder,
    start_kafka,
    start_postgres,
    topic,
)

__all__ = [
    "fresh_database",
    "kafka_address",
    "postgres_server",
    "postgres_url",
    "services_folder",
    "start_kafka",
    "start_postgres",
    "topic",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs real services. None is run again: what fails once here may lose a record once."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.services)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the verifier found in each test that passed; of one that failed its whole output is shown anyway."""
    for report in terminalreporter.stats.get("passed", ()):
        for line in report.capstdout.splitlines():
            if line.startswith(ACCOUNTED):
                terminalreporter.write_line(f"{report.nodeid.rpartition('/')[2]}  {line}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'faults.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Builds scenes, and leaves no process behind."""
    scenes: list[Scene] = []

    def build(servers: str, name: str, database: str) -> Scene:
        scene = Scene(servers, name, database, tmp_path)
        scene.promote("gain-1.0")
        scenes.append(scene)
        return scene

    yield build
    for scene in scenes:
        scene.close()


@pytest.fixture
def server(start_postgres: Callable[[], PostgresServer]) -> PostgresServer:
    """A PostgreSQL of the test's own, to be stopped, killed and filled."""
    return start_postgres()


@pytest.fixture
def on_server(
    stage: Callable[..., Scene], kafka_address: str, topic: Callable[..., str], server: PostgresServer
) -> Scene:
    """The usual scene on `server`."""
    return stage(kafka_address, topic(partitions=PARTITIONS), server.create_database("faults"))


@pytest.fixture
def scene(stage: Callable[..., Scene], kafka_address: str, topic: Callable[..., str], database: str) -> Scene:
    """The usual scene: the shared broker, four partitions, either database."""
    return stage(kafka_address, topic(partitions=PARTITIONS), database)
