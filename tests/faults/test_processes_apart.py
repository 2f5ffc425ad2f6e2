"""One scorer with a wrong setting, an older program or an edited monitor file, beside healthy ones: it stops nobody else."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.monitor import Monitor
from tests.faults.plant import Plant
from tests.faults.scene import Scene
from tests.faults.workload import FLAT, monitor

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models, which are trained once."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture
def plant_on(
    kafka_address: str, topic: Callable[..., str], tmp_path: Path, bundles: Path
) -> Iterator[Callable[..., Plant]]:
    """Builds plants, with a first model promoted."""
    plants: list[Plant] = []

    def build(database: str, partitions: int) -> Plant:
        plant = Plant(Scene(kafka_address, topic(partitions=partitions), database, tmp_path), bundles, partitions)
        plants.append(plant)
        plant.promote(seed=1)
        return plant

    yield build
    for plant in plants:
        plant.close()
        plant.scene.close()


@pytest.fixture
def plant(plant_on: Callable[..., Plant], tmp_path: Path) -> Plant:
    """A topic of two partitions and a SQLite database."""
    return plant_on(f"sqlite:///{tmp_path / 'faults.db'}", 2)


def edited(plant: Plant, features: str) -> Monitor:
    """The plant's monitor with other features."""
    return monitor(plant.scene.topic, features=features)


def test_a_wrong_bundles_setting_stops_one_scorer_alone(
    plant_on: Callable[..., Plant], database: str, tmp_path: Path
) -> None:
    """It says so in its heartbeat, takes no partition, and refuses nothing; put right, it takes its share."""
    plant = plant_on(database, 2)
    healthy = plant.score()
    plant.send(200)
    plant.wait_until_scored()
    wrong = plant.score(BUNDLES=str(tmp_path / "nothing here"))
    beat = plant.wait_for_beat(wrong, "version 1 cannot be served here")
    assert (beat.partitions, beat.model_version) == ([], None)
    plant.promote(seed=2)
    plant.send(200)
    plant.wait_for_model(2, [healthy])
    plant.wait_for_beat(wrong, "version 2 cannot be served here")
    plant.wait_until_scored()
    assert [version.status.value for version in plant.versions()] == ["retired", "champion"]
    assert wrong.stop() == 0
    mended = plant.score()
    plant.wait_for_model(2, [healthy, mended])
    plant.send(200)
    plant.wait_until_scored()
    assert [healthy.stop(), mended.stop()] == [0, 0]


def test_an_older_program_leaves_a_model_to_the_others(plant: Plant) -> None:
    """A version that cannot read the bundle's format waits and says so; the others score, and the model stays champion."""
    older = plant.score(older=True)
    plant.wait_for_beat(older, "this latentwatch reads up to")
    healthy = plant.score()
    plant.send(200)
    plant.wait_until_scored()
    assert [version.status.value for version in plant.versions()] == ["champion"]
    assert [healthy.stop(), older.stop()] == [0, 0]


def test_a_field_added_to_one_copy_of_the_monitor_waits(plant: Plant) -> None:
    """Both copies score with the model there is; the first model that reads the new field leaves the old copy as it was."""
    wider = edited(plant, f"{FLAT}, z: numeric")
    former, newer = plant.score(), plant.score(wider)
    plant.wait_for_model(1, [former, newer])
    assert newer.said("z counts from the next training; model version 1 goes on without")
    plant.send(200, z=1.5)
    plant.wait_until_scored()
    plant.promote(1, wider)
    plant.wait_for_model(2, [newer])
    plant.wait_for_beat(former, "'z' is missing, which models read since version 2")
    plant.send(200, z=1.5)
    plant.wait_until_scored()
    assert [version.status.value for version in plant.versions()] == ["retired", "champion"]
    assert [former.stop(), newer.stop()] == [0, 0]


def test_a_field_removed_from_one_copy_of_the_monitor_ends_that_scorer(plant: Plant) -> None:
    """It ends with exit code 2 and the field's name before anybody takes its file for the monitor; the others go on."""
    healthy = plant.score()
    plant.send(200)
    plant.wait_until_scored()
    narrower = plant.score(edited(plant, "a: numeric"))
    plant.scene.wait_until(lambda: not narrower.running, "the scorer without the field has not ended")
    assert narrower.stop() == 2
    assert narrower.said("'number' is missing, which models read since version 1")
    assert registered_monitor(plant.scene.engine, "faults").record == plant.scene.monitor.record
    plant.send(200)
    plant.wait_until_scored()
    assert [version.status.value for version in plant.versions()] == ["champion"]
    assert healthy.stop() == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_promotions_leave_spares_alive(plant_on: Callable[..., Plant], database: str) -> None:
    """More scorers than partitions: those without an entity take up each promoted model as the busy one does."""
    plant = plant_on(database, 1)
    scorers = [plant.score() for _ in range(3)]
    plant.send(100)
    plant.wait_for_model(1, scorers)
    for version in (2, 3):
        plant.promote(seed=version)
        plant.send(100)
        plant.wait_for_model(version, scorers)
    plant.wait_until_scored()
    assert [scorer.stop() for scorer in scorers] == [0, 0, 0]
