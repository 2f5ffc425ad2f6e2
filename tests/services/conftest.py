"""Real services for the tests of this folder: started once a run, on free ports, in folders deleted at the end.

An address in LATENTWATCH_TEST_KAFKA or LATENTWATCH_TEST_DATABASE is used instead of starting one. Only these names are
read, so that a shell set up for production cannot lend its database to a test.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError
from playwright.sync_api import Browser, Page, sync_playwright

from deploy.services.kafka import KafkaBroker, Listener
from deploy.services.mlflow import MlflowServer
from deploy.services.postgres import PostgresServer
from deploy.services.programs import CHROMIUM

# Root cannot use Chromium's sandbox, and nothing here may dial out.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
CHROMIUM_FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder carries the `services` mark.

    A broker, a database and a browser on a busy machine may miss a deadline once: such a test is run again, at most
    twice, and the report counts it as a rerun.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.services)
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A private folder that other users (PostgreSQL's) can pass through; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="latentwatch-services-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def kafka_address(services_folder: Path) -> Iterator[str]:
    """Bootstrap servers of a broker shared by all tests; use a topic of your own (`topic`) and do not harm it."""
    if address := os.environ.get("LATENTWATCH_TEST_KAFKA"):
        yield address
        return
    # Compaction is looked for often, so that a test of it need not wait long.
    broker = KafkaBroker(services_folder / "kafka", properties={"log.cleaner.backoff.ms": "200"})
    try:
        yield broker.start().address
    finally:
        broker.stop()


@pytest.fixture
def topic(kafka_address: str) -> Iterator[Callable[..., str]]:
    """Makes fresh topics on the shared broker: `topic(partitions=4)` returns a name; deleted after the test."""
    made: list[str] = []

    def make(partitions: int = 1, prefix: str = "test", **configs: str) -> str:
        name = f"{prefix}.{uuid4().hex[:12]}"
        create_topic(kafka_address, name, partitions, **configs)
        made.append(name)
        return name

    yield make
    admin = KafkaAdminClient(bootstrap_servers=kafka_address)
    with suppress(KafkaError):  # a test may have deleted its topic itself
        admin.delete_topics(made)
    admin.close()


def create_topic(address: str, name: str, partitions: int = 1, **configs: str) -> None:
    """Create a topic on any broker; `configs` are its settings with underscores for dots (`retention_ms="1000"`)."""
    admin = KafkaAdminClient(bootstrap_servers=address)
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=settings)])
    admin.close()


@pytest.fixture
def start_kafka(services_folder: Path) -> Iterator[Callable[..., KafkaBroker]]:
    """Starts brokers of the test's own, to be killed and restarted at will.

    `start_kafka()` returns a running `KafkaBroker` (`address`, `stop`, `kill`, `start`). `start_kafka(listeners=[...])`
    gives it more ways in, for instance `Listener("PROXIED", port=free_port(), advertised_port=proxy_port)`, whose
    clients are always sent to the proxy. `properties={...}` adds lines to server.properties.
    """
    brokers: list[KafkaBroker] = []

    def begin(listeners: list[Listener] | None = None, properties: dict[str, str] | None = None) -> KafkaBroker:
        broker = KafkaBroker(services_folder / f"kafka-{uuid4().hex[:8]}", listeners or (), properties)
        brokers.append(broker)
        return broker.start()

    yield begin
    for broker in brokers:
        broker.kill()
        shutil.rmtree(broker.folder)


@pytest.fixture(scope="session")
def postgres_server(services_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL server shared by all tests; use `postgres_url` unless the test is about the server itself."""
    server = PostgresServer(services_folder / "postgres")
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def start_postgres(services_folder: Path) -> Iterator[Callable[[], PostgresServer]]:
    """Starts servers of the test's own, to be killed and restarted at will."""
    servers: list[PostgresServer] = []

    def begin() -> PostgresServer:
        server = PostgresServer(services_folder / f"postgres-{uuid4().hex[:8]}")
        servers.append(server)
        return server.start()

    yield begin
    for server in servers:
        server.kill()
        server.remove()


@pytest.fixture(scope="session")
def fresh_database(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[str]]:
    """Makes empty PostgreSQL databases: `with fresh_database() as url`, dropped at the end."""

    @contextmanager
    def elsewhere(address: str) -> Iterator[str]:
        name = f"test_{uuid4().hex[:12]}"
        with psycopg.connect(address.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
            yield f"{address.rpartition('/')[0]}/{name}"
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    @contextmanager
    def here() -> Iterator[str]:
        name = f"test_{uuid4().hex[:12]}"
        server: PostgresServer = request.getfixturevalue("postgres_server")
        yield server.create_database(name)
        server.drop_database(name)

    address = os.environ.get("LATENTWATCH_TEST_DATABASE")
    return partial(elsewhere, address) if address else here


@pytest.fixture
def postgres_url(fresh_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """The address of an empty PostgreSQL database of the test's own, as `postgresql+psycopg://...`."""
    with fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_address(services_folder: Path) -> Iterator[str]:
    """The tracking address of an MLflow server shared by all tests."""
    server = MlflowServer(services_folder / "mlflow")
    try:
        yield server.start().address
    finally:
        server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium.

    One a module: while Playwright's synchronous API is open, this thread counts as inside its event loop, and other
    modules' `asyncio.run` would be refused.
    """
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM.require(), args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page (its own cookies) with patient timeouts; any uncaught error in its scripts fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, f"the page's scripts failed: {errors}"
