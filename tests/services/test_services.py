"""The services themselves: the ground the other tests of this folder stand on."""

import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from playwright.sync_api import Page

from deploy.services.kafka import KafkaBroker, Listener
from deploy.services.postgres import PostgresServer
from deploy.services.process import Launch, find, free_port, start, wait_until
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import Unavailable
from tests.services.conftest import create_topic


def produce(address: str, topic: str, values: list[bytes]) -> None:
    """Send and wait for the broker's word that all are stored."""
    producer = KafkaProducer(bootstrap_servers=address)
    for sent in [producer.send(topic, value) for value in values]:
        sent.get(timeout=60)
    producer.close()


def consume(address: str, topic: str, count: int) -> list[bytes]:
    """The first `count` records of partition 0, waiting up to a minute for them."""
    consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    clock = SystemClock()
    deadline = clock.monotonic() + 60
    values: list[bytes] = []
    while len(values) < count and clock.monotonic() < deadline:
        values += [record.value for record in consumer.poll(timeout_ms=500).get(partition, [])]
    consumer.close()
    return values


def test_broker_keeps_records_through_kill(start_kafka: Callable[..., KafkaBroker]) -> None:
    """A broker killed with SIGKILL and started again on the same folder still has what it acknowledged."""
    broker = start_kafka()
    create_topic(broker.address, "kept")
    produce(broker.address, "kept", [b"one", b"two"])
    broker.kill()
    assert broker.running is None
    broker.start()
    assert consume(broker.address, "kept", 2) == [b"one", b"two"]


def test_second_listener_sends_clients_elsewhere(start_kafka: Callable[..., KafkaBroker]) -> None:
    """Clients that come in by a second listener are told the advertised port, where a proxy would stand."""
    way_in, proxy = free_port(), free_port()
    start_kafka(listeners=[Listener("PROXIED", way_in, proxy)])
    consumer = KafkaConsumer(bootstrap_servers=f"127.0.0.1:{way_in}", api_version=(2, 3))
    cluster = consumer._client.cluster
    cluster.request_update()
    consumer.partitions_for_topic("none")
    assert {broker.port for broker in cluster.brokers()} == {proxy}
    consumer.close()


def test_topics_have_the_partitions_asked_for(topic: Callable[..., str], kafka_address: str) -> None:
    """A topic made on the shared broker has its number of partitions."""
    name = topic(partitions=4)
    consumer = KafkaConsumer(bootstrap_servers=kafka_address)
    assert consumer.partitions_for_topic(name) == {0, 1, 2, 3}
    consumer.close()


def test_each_test_gets_an_empty_database(postgres_url: str) -> None:
    """The database is PostgreSQL, and holds no table yet."""
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        assert tables.fetchone() == (0,)


def test_postgres_keeps_rows_through_kill(start_postgres: Callable[[], PostgresServer]) -> None:
    """A server killed with SIGKILL, sessions included, recovers what was committed."""
    server = start_postgres()
    address = server.create_database("kept").replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.kill()
    server.start()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_mlflow_answers(mlflow_address: str) -> None:
    """The tracking server says its version."""
    with urllib.request.urlopen(f"{mlflow_address}/version", timeout=60) as answer:
        assert answer.read().startswith(b"3.")


def test_chromium_runs_scripts(page: Page) -> None:
    """The browser runs a page's JavaScript."""
    page.set_content("<p id=sum></p><script>document.getElementById('sum').textContent = 6 * 7</script>")
    assert page.text_content("#sum") == "42"


def test_stopping_takes_the_whole_family(tmp_path: Path) -> None:
    """A process that ignores the request, and its child in another session, are both gone after `stop`."""
    script = "trap '' TERM; setsid sleep 600 & echo started; wait"
    launch = Launch("stubborn", ["bash", "-c", script], tmp_path, {})
    running = start(launch)
    wait_until(lambda: "started" in running.tail(), running, seconds=60)
    wait_until(lambda: bool(running.leader.children(recursive=True)), running, seconds=60)
    family = [running.leader, *running.leader.children(recursive=True)]
    found = find(launch)
    assert found is not None
    found.stop(signal.SIGTERM, patience_seconds=1)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    assert find(launch) is None


def test_a_reused_process_id_is_not_ours(tmp_path: Path) -> None:
    """A record that names this very process id with another start time finds nothing, so `down` cannot kill it."""
    launch = Launch("ghost", [], tmp_path, {})
    launch.record.write_text(f'{{"pid": {psutil.Process().pid}, "started": 1.0}}')
    assert find(launch) is None


def test_a_service_that_dies_shows_its_log(tmp_path: Path) -> None:
    """Waiting for a process that ends raises at once, with the end of its log."""
    running = start(Launch("doomed", ["bash", "-c", "echo no such option; exit 3"], tmp_path, {}))
    with pytest.raises(Unavailable, match="no such option"):
        wait_until(lambda: False, running, seconds=60)
