"""Brokers and databases that go away, come back, and lose their last words: the stream pauses, and nothing is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.services.kafka import KafkaBroker
from deploy.services.postgres import PostgresServer
from tests.faults.scene import Scene
from tests.faults.workload import PARTITIONS
from tests.services.conftest import create_topic
from tests.services.proxy import Proxy

pytestmark = pytest.mark.long

BUNDLE = "gain-1.0"


def test_broker_killed_and_restarted(
    stage: Callable[..., Scene], start_kafka: Callable[..., KafkaBroker], tmp_path: Path
) -> None:
    """The broker dies under load and comes back; the scorers go on where the database stands."""
    broker = start_kafka()
    create_topic(broker.address, "faults", PARTITIONS)
    scene = stage(broker.address, "faults", f"sqlite:///{tmp_path / 'faults.db'}")
    scene.produce(800)
    scene.start(slow=0.02)
    scene.start(slow=0.02)
    scene.wait_for(200)
    broker.kill()
    broker.start()
    scene.produce(300)
    scene.settle(same_as_undisturbed=BUNDLE)


def test_database_killed_and_restarted(on_server: Scene, server: PostgresServer) -> None:
    """PostgreSQL dies under load and recovers; the scorers wait, keep their partitions and go on."""
    on_server.produce(1_000)
    on_server.start(slow=0.02)
    on_server.start(slow=0.02)
    on_server.wait_for(200)
    server.kill()
    server.start()
    on_server.produce(200)
    on_server.settle(same_as_undisturbed=BUNDLE)


@pytest.mark.parametrize("loss", ["reply", "request"])
def test_connections_cut_around_the_commit(
    stage: Callable[..., Scene],
    postgres_url: str,
    kafka_address: str,
    topic: Callable[..., str],
    loss: str,
) -> None:
    """COMMITs whose acknowledgement is lost are not repeated, COMMITs that never arrived are."""
    host, _, port = postgres_url.partition("@")[2].partition("/")[0].rpartition(":")
    name = topic(partitions=PARTITIONS)
    scene = stage(kafka_address, name, postgres_url)
    scene.produce(800)
    with Proxy(host, int(port)) as proxy:
        address = postgres_url.replace(f"{host}:{port}", proxy.address)
        scene.start(slow=0.01, database=address, records=50)
        for turn in range(3):
            scene.wait_for(100 * (turn + 1))
            proxy.lose_reply_to(b"COMMIT") if loss == "reply" else proxy.drop_request(b"COMMIT")
        scene.settle(same_as_undisturbed=BUNDLE)
