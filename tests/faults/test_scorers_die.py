"""Scorers that end, die, sleep and wake: every record keeps its one outcome and its undisturbed score."""

import signal
from typing import get_args

import pytest

from streams.failpoints import Step
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


def test_kill_dash_nine_again_and_again(scene: Scene) -> None:
    """Scorers killed under load, over and over; others take over and new ones join."""
    scene.produce(600)
    scorers = [scene.start(slow=0.01), scene.start(slow=0.01)]
    for turn in range(4):
        scene.wait_for(min(scene.produced - 100, 100 * (turn + 1)))
        scene.stop(scorers[turn % 2], signal.SIGKILL)
        scorers[turn % 2] = scene.start(slow=0.01)
        scene.produce(200)
    scene.settle(same_as_undisturbed=BUNDLE)


def test_dying_at_every_step(scene: Scene) -> None:
    """Processes that kill themselves, each at another step of the loop, are replaced without a trace."""
    scene.produce(1_500)
    for number, step in enumerate(step for step in get_args(Step) if step != "swapped"):
        dying = scene.start(die=step, at=1 + number % 3, snapshot_seconds=0.0, records=50)
        assert dying.wait(timeout=120) == -signal.SIGKILL, scene.logs()
    scene.start()
    scene.settle(same_as_undisturbed=BUNDLE)


@pytest.mark.parametrize("assignor", ["cooperative", "eager"])
def test_a_zombie_wakes_up(scene: Scene, assignor: str) -> None:
    """A scorer stopped in the midst of its work, replaced, then woken: what it still holds is refused."""
    scene.produce(1_500)
    zombie = scene.start(slow=0.02, assignor=assignor)
    scene.wait_for(200)
    zombie.send_signal(signal.SIGSTOP)
    scene.start(assignor=assignor)
    scene.wait_for(1_400)
    zombie.send_signal(signal.SIGCONT)
    scene.produce(300)
    scene.settle(same_as_undisturbed=BUNDLE)


def test_models_promoted_under_load(scene: Scene) -> None:
    """Promoted twice quickly, then a corrupt one: every row is its recorded model's score, the corrupt one is refused."""
    scene.start(slow=0.02)
    scene.produce(600)
    scene.wait_for(100)
    scene.promote("gain-2.0")
    scene.promote("gain-4.0")
    scene.produce(300)
    scene.wait_for(scene.produced - 50)
    scene.promote("corrupt")
    scene.produce(600)
    scene.wait_for(scene.produced - 200)
    scene.settle()
    with scene.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            'SELECT bundle, model_version, surprise, "partition", "offset" FROM flagged_records'
        )
        bundles = {(bundle, version) for bundle, version, *_ in rows}
        status = connection.exec_driver_sql("SELECT status FROM model_versions WHERE bundle = 'corrupt'").scalar_one()
    assert {version for bundle, version in bundles if bundle == "corrupt"} == set()
    assert len({bundle for bundle, _ in bundles}) >= 2
    assert all(version == {"gain-1.0": 1, "gain-2.0": 2, "gain-4.0": 3}[bundle] for bundle, version in bundles)
    assert "refused" in str(status).lower()
