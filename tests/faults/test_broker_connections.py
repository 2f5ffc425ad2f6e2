"""Between scorer and broker: the broker restarts, its coordinator is away, connections are slow, silent, or reset."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.services.kafka import KafkaBroker, Listener
from deploy.services.process import free_port
from tests.faults.scene import Scene
from tests.faults.workload import PARTITIONS
from tests.services.conftest import create_topic
from tests.services.proxy import Proxy

pytestmark = pytest.mark.long

BUNDLE = "gain-1.0"
GROUP_REQUESTS = {8: "OffsetCommit", 11: "JoinGroup", 12: "Heartbeat", 14: "SyncGroup"}


@pytest.fixture(scope="module")
def broker_behind_proxy(services_folder: Path) -> Iterator[tuple[KafkaBroker, Proxy]]:
    """A broker that these tests may harm, and the proxy that its second listener sends clients to."""
    port = free_port()
    with Proxy("127.0.0.1", port) as proxy:
        broker = KafkaBroker(services_folder / "kafka-behind-proxy", [Listener("PROXIED", port, proxy.port)])
        try:
            yield broker.start(), proxy
        finally:
            broker.kill()


@pytest.fixture
def broker(broker_behind_proxy: tuple[KafkaBroker, Proxy]) -> KafkaBroker:
    """The broker itself, reached directly."""
    return broker_behind_proxy[0]


@pytest.fixture
def proxy(broker_behind_proxy: tuple[KafkaBroker, Proxy]) -> Iterator[Proxy]:
    """The proxy before it, which does as it should when the test ends."""
    proxy = broker_behind_proxy[1]
    yield proxy
    proxy.delay(0)
    proxy.turn_away(None)
    proxy.cut()


@pytest.fixture
def proxied(stage: Callable[..., Scene], broker: KafkaBroker, tmp_path: Path) -> Scene:
    """A scene on a topic of its own; the test produces and verifies around the proxy."""
    name = f"faults.{uuid4().hex[:8]}"
    create_topic(broker.address, name, PARTITIONS)
    return stage(broker.address, name, f"sqlite:///{tmp_path / 'faults.db'}")


def test_broker_restarted(proxied: Scene, broker: KafkaBroker) -> None:
    """The broker ends in good order under load and comes back; the scorers go on."""
    proxied.produce(600)
    for _ in range(2):
        proxied.start(slow=0.02)
    proxied.wait_for(200)
    broker.stop()
    broker.start()
    proxied.produce(200)
    proxied.settle(same_as_undisturbed=BUNDLE)


def test_broker_and_scorer_killed_together(proxied: Scene, broker: KafkaBroker) -> None:
    """Power is lost for broker and scorer at once; the next scorer, which waits for the broker, takes over."""
    proxied.produce(600)
    scorer = proxied.start(slow=0.02)
    proxied.wait_for(200)
    broker.kill()
    scorer.close()
    proxied.scorers.clear()
    proxied.start()
    broker.start()
    proxied.produce(200)
    proxied.settle(same_as_undisturbed=BUNDLE)


def test_group_coordinator_away(proxied: Scene, proxy: Proxy) -> None:
    """Members that cannot reach their coordinator until it has given them up come back, and nothing is scored twice."""
    proxied.produce(400)
    for _ in range(2):
        proxied.start(servers=proxy.address, slow=0.01)
    proxied.wait_for(100)
    proxied.wait_until(lambda: proxied.members() == 2, "no second member in the group")
    proxy.turn_away(lambda chunk: int.from_bytes(chunk[4:6]) in GROUP_REQUESTS)
    proxied.wait_until(lambda: proxied.members() == 0, "the coordinator still knows its members")
    assert proxy.turned_away > 0
    proxied.produce(200)
    proxy.turn_away(None)
    proxied.produce(200)
    proxied.settle(same_as_undisturbed=BUNDLE)


def test_slow_broker(proxied: Scene, proxy: Proxy) -> None:
    """Every answer takes a fifth of a second longer: slower, and nothing else."""
    proxy.delay(0.1)
    proxied.produce(400)
    proxied.start(servers=proxy.address)
    proxied.settle(same_as_undisturbed=BUNDLE)


def test_half_open_connections(proxied: Scene, proxy: Proxy) -> None:
    """Connections on which nothing is heard any more are given up, and new ones go on."""
    proxied.produce(400)
    scorer = proxied.start(servers=proxy.address, slow=0.01, options={"request_timeout_ms": 4_000})
    proxied.wait_for(100)
    proxy.strand()
    proxied.produce(200)
    proxied.settle(same_as_undisturbed=BUNDLE)
    assert scorer.said("partition taken up") >= PARTITIONS


def test_connection_reset_in_mid_batch(proxied: Scene, proxy: Proxy) -> None:
    """Fetches cut after a part of their records are fetched again, whole."""
    proxied.start(servers=proxy.address, records=50)
    for turn in range(4):
        proxy.break_reply(1_000 + 500 * turn)
        proxied.produce(200)
        proxied.wait_until(proxy.struck, "no reply was long enough to break")
    proxied.settle(same_as_undisturbed=BUNDLE)
