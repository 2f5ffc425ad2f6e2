"""Scorers that die between the values of a row: every row is made once, of all its values, and every message has its one outcome."""

import json
import signal
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest

from latentwatch.alerts.monitors import register_monitor
from latentwatch.streams.failpoints import Step
from tests.faults.readings import Made, message, monitor, rows
from tests.faults.scene import Scene
from tests.faults.verifier import ACCOUNTED, read_topic
from tests.faults.workload import PARTITIONS

pytestmark = pytest.mark.long


@pytest.fixture
def readings(stage: Callable[..., Scene], kafka_address: str, topic: Callable[..., str], database: str) -> Scene:
    """The usual scene, of a topic in long form."""
    scene = stage(kafka_address, topic(partitions=PARTITIONS), database)
    scene.monitor = monitor(scene.topic)
    register_monitor(scene.engine, scene.monitor)
    return scene


def produce(scene: Scene, count: int) -> None:
    """The next messages."""
    scene.send(message(number) for number in range(scene.produced, scene.produced + count))


def start(scene: Scene, **settings: Any) -> Any:
    """A scorer of readings."""
    return scene.start(readings=True, **settings)


def settle(scene: Scene) -> None:
    """Wait for the topic's end, stop the scorers, and compare rows, dead letters and counts with what the messages alone say."""
    ends = dict.fromkeys(range(PARTITIONS), 0)
    messages = read_topic(scene.servers, scene.topic)
    for each in messages:
        ends[each.partition] = each.offset + 1
    scene.wait_until(lambda: scene.positions() == ends, lambda: f"positions {scene.positions()}, ends {ends}")
    for scorer in scene.scorers:
        if scorer.running:
            scorer.send_signal(signal.SIGCONT)
            assert scene.stop(scorer) == 0, scene.logs()
    wanted, dead = rows(messages)
    found = {
        (partition, offset): Made(entity, _seconds(time), json.loads(values) if isinstance(values, str) else values)
        for partition, offset, entity, time, values in scene.ask(
            'SELECT "partition", "offset", entity, time, "values" FROM flagged_records'
        )
    }
    assert found.keys() == wanted.keys(), scene.logs()
    for place, row in wanted.items():
        assert found[place][:2] == row[:2]
        assert found[place].values == {
            name: None if value is None else float(np.float32(value)) for name, value in row.values.items()
        }
    letters = set(scene.ask('SELECT "partition", "offset" FROM dead_letters'))
    assert letters == dead
    ((counted,),) = scene.ask("SELECT sum(scored) FROM minute_counts")
    assert int(counted) == len(wanted)
    assert len({(row.entity, row.time) for row in found.values()}) == len(found), "a row was made twice"
    filling = len(messages) - len(wanted) - len(dead)
    print(f"{ACCOUNTED}: {len(messages)} = {len(wanted)} scored + {len(dead)} dead letters + {filling} aligned")


def stands_at(scene: Scene, count: int) -> bool:
    """Whether so many messages are accounted for."""
    return sum(scene.positions().values()) >= count


def _seconds(time: Any) -> int:
    stamp = np.datetime64(str(time).replace("+00:00", "").replace("+00", "").replace(" ", "T"), "us")
    return int(stamp.astype(np.int64)) // 1_000_000


def test_dying_at_every_step_between_values(readings: Scene) -> None:
    """Processes that kill themselves, each at another step of the loop, leave no half of a row and no row twice."""
    produce(readings, 1_500)
    for number, step in enumerate(step for step in get_args(Step) if step != "swapped"):
        dying = start(readings, die=step, at=1 + number % 3, snapshot_seconds=0.0, records=50)
        assert dying.wait(timeout=120) == -signal.SIGKILL, readings.logs()
    start(readings)
    settle(readings)


def test_killed_again_and_again_between_values(readings: Scene) -> None:
    """Scorers killed under load, with few snapshots, so that much is read again; others take over in the midst of rows."""
    produce(readings, 600)
    scorers = [start(readings, slow=0.01, records=40), start(readings, slow=0.01, records=40)]
    for turn in range(4):
        wanted = min(sum(readings.positions().values()) + 60, readings.produced - 50)
        readings.wait_until(partial(stands_at, readings, wanted), "no step")
        readings.stop(scorers[turn % 2], signal.SIGKILL)
        scorers[turn % 2] = start(readings, slow=0.01, records=40)
        produce(readings, 200)
    settle(readings)


def test_partitions_change_hands_in_the_midst_of_rows(readings: Scene) -> None:
    """Scorers come and go cleanly; one is frozen past its session and wakes as a zombie."""
    produce(readings, 400)
    first = start(readings, records=30)
    frozen = start(readings, records=30, freeze="before commit", at=2)
    readings.wait_until_frozen(frozen)
    produce(readings, 400)
    third = start(readings, records=30)
    readings.wait_until(partial(stands_at, readings, 500), "no progress beside the frozen one")
    frozen.send_signal(signal.SIGCONT)
    assert readings.stop(first) == 0, readings.logs()
    produce(readings, 300)
    settle(readings)
    assert third.said("partition taken up")
