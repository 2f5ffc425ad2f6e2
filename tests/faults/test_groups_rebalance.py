"""The group changes while work is in hand: partitions leave in mid-batch, or are added; every record keeps its outcome."""

import signal
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from tests.faults.scene import Scene
from tests.faults.worker import HELD
from tests.faults.workload import PARTITIONS, record

pytestmark = pytest.mark.long

BUNDLE = "gain-1.0"
REFUSED = "partitions lost, nothing of this batch was written"
ASSIGNORS = pytest.mark.parametrize("assignor", ["cooperative", "eager"])
# Where the database has no part in it, each assignor meets one of them.
ASSIGNORS_IN_TURN = pytest.mark.parametrize(
    ("assignor", "database"), [("cooperative", "sqlite"), ("eager", "postgresql")], indirect=["database"]
)


@ASSIGNORS_IN_TURN
def test_rebalance_while_a_batch_is_in_flight(scene: Scene, assignor: str, tmp_path: Path) -> None:
    """A member joins while another has a scored batch in hand: the batch is written, then partitions move."""
    go = tmp_path / "go"
    scene.produce(600)
    first = scene.start(assignor=assignor, hold="before commit", at=2, until=str(go))
    scene.wait_to_read(HELD, first)
    before = scene.progress()
    second = scene.start(assignor=assignor)
    scene.wait_until(lambda: scene.members() == 2, "no second member in the group")
    assert scene.progress() == before
    go.touch()
    scene.wait_to_read("partition taken up", second)
    scene.produce(300)
    scene.settle(same_as_undisturbed=BUNDLE)
    assert not first.said(REFUSED)


@ASSIGNORS_IN_TURN
def test_partitions_taken_away_while_a_batch_is_in_flight(scene: Scene, assignor: str, tmp_path: Path) -> None:
    """A member that is busy past its poll interval has lost its partitions: what it has in hand is refused."""
    go = tmp_path / "go"
    scene.produce(600)
    busy = scene.start(
        assignor=assignor, hold="before commit", at=2, until=str(go), options={"max_poll_interval_ms": 3_000}
    )
    scene.wait_to_read(HELD, busy)
    scene.start(assignor=assignor)
    scene.wait_for(600)
    go.touch()
    scene.wait_to_read(REFUSED, busy)
    scene.produce(300)
    scene.settle(same_as_undisturbed=BUNDLE)


@ASSIGNORS
def test_a_zombie_wakes_up(scene: Scene, assignor: str) -> None:
    """A scorer stopped with a batch in hand, replaced, then woken: what it still holds is refused."""
    scene.produce(600)
    zombie = scene.start(assignor=assignor, freeze="before commit", at=3)
    scene.wait_until_frozen(zombie)
    assert 0 < scene.progress() < 600
    scene.start(assignor=assignor)
    scene.wait_for(600)
    zombie.send_signal(signal.SIGCONT)
    scene.wait_to_read(REFUSED, zombie)
    scene.produce(300)
    scene.settle(same_as_undisturbed=BUNDLE)


@ASSIGNORS_IN_TURN
def test_partitions_added_while_running(scene: Scene, assignor: str) -> None:
    """Partitions added under load are read from their first record on, by whoever is given them."""
    for _ in range(2):
        scene.start(assignor=assignor, slow=0.005, options={"metadata_max_age_ms": 1_000})
    scene.produce(300)
    scene.wait_for(100)
    admin = KafkaAdminClient(bootstrap_servers=scene.servers)
    admin.create_partitions({scene.topic: 2 * PARTITIONS})
    admin.close()
    added = range(PARTITIONS, 2 * PARTITIONS)
    scene.send((added[number % PARTITIONS], record(number, rig=100 + number % PARTITIONS)) for number in range(200))
    scene.produce(300)
    scene.settle(same_as_undisturbed=BUNDLE)
