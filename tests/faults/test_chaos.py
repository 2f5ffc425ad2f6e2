"""One fault after the other, drawn by lot, while records flow: through each of them, and to one outcome each."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random, randrange

import pytest
from sqlalchemy import make_url

from deploy.services.kafka import KafkaBroker, Listener
from deploy.services.postgres import PostgresServer
from deploy.services.process import free_port
from tests.faults.flow import Flow
from tests.faults.processes import ScorerProcess
from tests.faults.scene import Scene
from tests.faults.verifier import read_topic
from tests.faults.workload import PARTITIONS, record
from tests.services.conftest import create_topic
from tests.services.proxy import Proxy

pytestmark = pytest.mark.long

FAULTS = int(os.environ.get("LATENTWATCH_SOAK_FAULTS", "5"))
"""How many of them; `make chaos` asks for more."""
SCORERS = 3
RECORDS_PER_SECOND = 40.0
GROUP_REQUESTS = {8, 11, 12, 14}
"""OffsetCommit, JoinGroup, Heartbeat and SyncGroup in Kafka's protocol."""
POISON = [b"\x1f\x8b", b"{" * 3_000, b'{"at": 60}', record(1, a=-1), record(1, a="x"), b"\0\0\0\0\7", None]


@dataclass
class Plant:
    """Everything that faults are done to. Scorers reach broker and database through the proxies."""

    scene: Scene
    broker: KafkaBroker
    server: PostgresServer
    to_broker: Proxy
    to_database: Proxy
    database: str
    random: Random

    def start(self) -> ScorerProcess:
        """One more scorer."""
        return self.scene.start(servers=self.to_broker.address, database=self.database, answer_seconds=10.0)

    def alive(self) -> list[ScorerProcess]:
        """The scorers that run."""
        return [scorer for scorer in self.scene.scorers if scorer.running]

    def victim(self) -> ScorerProcess:
        """One of them."""
        return self.random.choice(self.alive())

    def last(self, seconds: float) -> None:
        """Let a fault last."""
        self.scene.clock.sleep(seconds)


def kill_a_scorer(plant: Plant) -> None:
    """Kill -9, and start another."""
    plant.scene.stop(plant.victim(), signal.SIGKILL)
    plant.last(1.0)
    plant.start()


def restart_a_scorer(plant: Plant) -> None:
    """End one in good order, and start another."""
    plant.scene.stop(plant.victim())
    plant.last(1.0)
    plant.start()


def freeze_a_scorer(plant: Plant) -> None:
    """Past its session, so that others have its partitions when it wakes up."""
    victim = plant.victim()
    victim.send_signal(signal.SIGSTOP)
    plant.last(9.0)
    victim.send_signal(signal.SIGCONT)


def more_scorers_than_partitions(plant: Plant) -> None:
    """Two that get nothing come and go."""
    more = [plant.start() for _ in range(PARTITIONS - SCORERS + 1)]
    plant.last(4.0)
    for scorer in more:
        plant.scene.stop(scorer)


def send_poison(plant: Plant) -> None:
    """A burst of what is no record, and of what breaks the model."""
    plant.scene.send((number % PARTITIONS, POISON[number % len(POISON)]) for number in range(20))
    plant.last(1.0)


def kill_the_broker(plant: Plant) -> None:
    """Kill -9, and start it again."""
    plant.broker.kill()
    plant.last(2.0)
    plant.broker.start()


def restart_the_broker(plant: Plant) -> None:
    """In good order."""
    plant.broker.stop()
    plant.broker.start()


def kill_the_database(plant: Plant) -> None:
    """Kill -9, and start it again."""
    plant.server.kill()
    plant.last(2.0)
    plant.server.start()


def restart_the_database(plant: Plant) -> None:
    """In good order."""
    plant.server.stop()
    plant.last(1.0)
    plant.server.start()


def kill_broker_database_and_scorer(plant: Plant) -> None:
    """As when power is lost."""
    plant.broker.kill()
    plant.server.kill()
    plant.victim().send_signal(signal.SIGKILL)
    plant.server.start()
    plant.broker.start()
    plant.start()


def cut_connections(plant: Plant) -> None:
    """To broker and database, a few times."""
    for _ in range(4):
        plant.to_broker.cut()
        plant.last(0.5)
        plant.to_database.cut()
        plant.last(0.5)


def silence_the_broker(plant: Plant) -> None:
    """Connections stay, and nothing passes."""
    plant.to_broker.stall()
    plant.last(4.0)
    plant.to_broker.flow()


def silence_the_database(plant: Plant) -> None:
    """Connections stay, and nothing passes."""
    plant.to_database.stall()
    plant.last(4.0)
    plant.to_database.flow()


def slow_both_down(plant: Plant) -> None:
    """Every chunk takes longer."""
    plant.to_broker.delay(0.05)
    plant.to_database.delay(0.02)
    plant.last(4.0)
    plant.to_broker.delay(0.0)
    plant.to_database.delay(0.0)


def lose_commits(plant: Plant) -> None:
    """COMMITs that arrived and are not acknowledged, and COMMITs that never arrived."""
    for lose in (plant.to_database.lose_reply_to, plant.to_database.drop_request) * 2:
        lose(b"COMMIT")
        plant.scene.wait_until(plant.to_database.struck, "no COMMIT was sent")


def take_the_coordinator_away(plant: Plant) -> None:
    """Until the group has lost its members."""
    plant.to_broker.turn_away(lambda chunk: int.from_bytes(chunk[4:6]) in GROUP_REQUESTS)
    plant.last(8.0)
    plant.to_broker.turn_away(None)


KINDS: list[Callable[[Plant], None]] = [
    kill_a_scorer, restart_a_scorer, freeze_a_scorer, more_scorers_than_partitions, send_poison, kill_the_broker,
    restart_the_broker, kill_the_database, restart_the_database, kill_broker_database_and_scorer, cut_connections,
    silence_the_broker, silence_the_database, slow_both_down, lose_commits, take_the_coordinator_away,
]  # fmt: skip


@pytest.fixture
def plant(
    stage: Callable[..., Scene], start_kafka: Callable[..., KafkaBroker], server: PostgresServer
) -> Iterator[Plant]:
    """A broker and a database of the test's own, each behind a proxy."""
    port, url = free_port(), server.create_database("faults")
    with Proxy("127.0.0.1", port) as to_broker, Proxy("127.0.0.1", make_url(url).port or 5432) as to_database:
        broker = start_kafka([Listener("PROXIED", port, to_broker.port)])
        create_topic(broker.address, "chaos", PARTITIONS)
        through = make_url(url).set(host="127.0.0.1", port=to_database.port).render_as_string(hide_password=False)
        scene = stage(broker.address, "chaos", url)
        yield Plant(scene, broker, server, to_broker, to_database, through, Random(randrange(1 << 32)))


@pytest.mark.timeout(300 + 90 * FAULTS)
def test_records_flow_during_every_fault(plant: Plant) -> None:
    """Faults by lot, each kind before any comes twice: records are sent through each and scored after each, and at the
    end every one has its one outcome, and the score and context of an undisturbed run."""
    scene = plant.scene
    drawn = [kind for _ in range(-(-FAULTS // len(KINDS))) for kind in plant.random.sample(KINDS, len(KINDS))][:FAULTS]
    for _ in range(SCORERS):
        plant.start()
    with Flow(scene.servers, scene.topic, RECORDS_PER_SECOND) as flow:
        scene.wait_for(100)
        for fault in drawn:
            sent = flow.sent
            fault(plant)
            during = flow.sent - sent
            waiting = flow.sent + scene.produced - scene.progress()
            print(f"{fault.__name__}: {during} records sent meanwhile, {waiting} waited at its end")
            assert during > 0, fault.__name__
            scene.wait_for(flow.sent + scene.produced)
    assert not flow.failed
    scene.produced = len(read_topic(scene.servers, scene.topic))
    assert scene.produced >= flow.sent == flow.kept
    account = scene.settle(same_as_undisturbed="gain-1.0")
    assert len(account.scored) > 0.9 * flow.sent
