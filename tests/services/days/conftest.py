"""What the three days stand on: a plant of real services, and a receiver of messages."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import Engine, create_engine

from tests.services.proof_stage import Plant

expect.set_options(timeout=60_000)  # proposals look at the past alerts, on machines that are busy


@dataclass
class Pager:
    """Where messages arrive."""

    address: str
    received: list[dict[str, Any]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """Of each message, in the order of arrival."""
        return [message["title"] for message in self.received]


@pytest.fixture
def pager() -> Iterator[Pager]:
    """A running webhook."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taken = Pager(f"json://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield taken
    server.shutdown()
    server.server_close()
    thread.join()


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
