"""Scorers that end, die, sleep and wake: every record keeps its one outcome and its undisturbed score."""

import signal
from typing import get_args

import pytest

from latentwatch.streams.failpoints import Step
from tests.faults.scene import Scene

BUNDLE = "gain-1.0"


def test_rolling_restarts_under_load(scene: Scene) -> None:
    """Three scorers restarted one after the other, cleanly, while records arrive."""
    scorers = [scene.start() for _ in range(3)]
    for turn in range(3):
        scene.produce(400)
        scene.wait_for(scene.produced - 300)
        assert scene.stop(scorers[turn]) == 0
        scorers[turn] = scene.start()
    scene.produce(300)
    scene.settle(same_as_undisturbed=BUNDLE)


@pytest.mark.long
def test_kill_dash_nine_again_and_again(scene: Scene) -> None:
    """Scorers killed under load, over and over; others take over and new ones join."""
    scene.produce(600)
    scorers = [scene.start(slow=0.01), scene.start(slow=0.01)]
    for turn in range(4):
        scene.wait_for(min(scene.produced - 100, 100 * (turn + 1)))
        scene.stop(scorers[turn % 2], signal.SIGKILL)
        scorers[turn % 2] = scene.start(slow=0.01)
        scene.produce(200)
        assert ahead_of_the_database(scene) == {}
    scene.settle(same_as_undisturbed=BUNDLE)


def ahead_of_the_database(scene: Scene) -> dict[int, int]:
    """Partitions whose offset committed to Kafka is beyond the database's: it would lose records where it is believed."""
    committed = scene.acknowledged()
    positions = scene.positions()
    return {partition: offset for partition, offset in committed.items() if offset > positions[partition]}


def test_dying_at_every_step(scene: Scene) -> None:
    """Processes that kill themselves, each at another step of the loop, are replaced without a trace."""
    scene.produce(1_500)
    for number, step in enumerate(step for step in get_args(Step) if step != "swapped"):
        dying = scene.start(die=step, at=1 + number % 3, snapshot_seconds=0.0, records=50)
        assert dying.wait(timeout=120) == -signal.SIGKILL, scene.logs()
    scene.start()
    scene.settle(same_as_undisturbed=BUNDLE)


@pytest.mark.long
def test_dying_while_a_context_is_written(scene: Scene) -> None:
    """Scorers killed between two chunks of a snapshot leave the former one whole; the next goes on from it exactly."""
    scene.produce(600)
    for number in (2, 5, 13, 29):
        dying = scene.start(die_writing_chunk=number, chunk_bytes=1, snapshot_seconds=0.0, records=50)
        assert dying.wait(timeout=120) == -signal.SIGKILL, scene.logs()
        scene.produce(150)
    scene.start(chunk_bytes=1, snapshot_seconds=0.0, records=50)
    scene.settle(same_as_undisturbed=BUNDLE)
    chunks = scene.ask('SELECT "partition", count(DISTINCT chunk) FROM context_chunks GROUP BY "partition"')
    assert sum(count for _, count in chunks) == 11, "every rig is a chunk of its own"
