"""What the three days stand on: a plant of real services, and a receiver of messages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import Engine, create_engine

from tests.services.pager import Pager, receiving
from tests.services.proof_stage import Plant

expect.set_options(timeout=60_000)  # proposals look at the past alerts, on machines that are busy


@pytest.fixture
def pager() -> Iterator[Pager]:
    """A running webhook."""
    with receiving() as taken:
        yield taken


@pytest.fixture
def plant(
    tmp_path: Path, kafka_address: str, postgres_url: str, topic: Callable[..., str], pager: Pager
) -> Iterator[Plant]:
    """A fresh folder, topic and database; every process ends with the test."""
    (tmp_path / "monitors").mkdir()
    told = {"LATENTWATCH_CHANNELS": json.dumps({"pager": pager.address})}
    plant = Plant(tmp_path, topic(partitions=2, prefix="day"), kafka_address, postgres_url, told=told)
    yield plant
    plant.stop()


@pytest.fixture
def database(plant: Plant) -> Iterator[Engine]:
    """A look into the database, independent of the code that wrote it."""
    engine = create_engine(plant.database)
    yield engine
    engine.dispose()
