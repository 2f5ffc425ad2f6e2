"""A new installation without a history: it waits for its stream, trains, and then scores what waited."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from latentwatch.alerts.database import Engine, open_database
from latentwatch.alerts.reading import overview
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import SystemClock
from latentwatch.review.state import state_of
from latentwatch.streams.kafka.access import KafkaAccess
from latentwatch.streams.kafka.topic_offsets import first_arrival
from tests.services.proof_stage import Plant
from tests.services.test_replay_topic import PARTITIONS, records, send

AFTER_SECONDS = 40
COUNT = 2_400


@pytest.fixture
def plant(tmp_path: Path, kafka_address: str, topic: Callable[..., str]) -> Iterator[Plant]:
    """A folder with settings of its own and a topic of two partitions."""
    (tmp_path / "monitors").mkdir()
    plant = Plant(tmp_path, topic(PARTITIONS), kafka_address, f"sqlite:///{tmp_path}/latentwatch.db")
    yield plant
    plant.stop()


def test_a_monitor_learns_from_its_stream(plant: Plant) -> None:
    """Before its time nothing is trained and nothing is read; the page says how far it is; then every record is scored."""
    clock = SystemClock()
    plant.monitor_file.write_text(
        f"name: rigs\nsource: {{kafka: {{topic: {plant.topic}}}}}\ntrain: {{after: {AFTER_SECONDS}s}}\n"
        "record: {time: at, entity: rig, features: {a: numeric, b: numeric, c: numeric}}\n"
        "model: {kind: linear, effort: light}\nwindow: 1\n"
    )
    access, since = KafkaAccess(plant.kafka), clock.now() - timedelta(days=1)
    assert first_arrival(plant.topic, access, since) is None
    begun = clock.now()
    send(plant, records(COUNT, seed=1), arrays=False)
    first = first_arrival(plant.topic, access, since)
    assert first is not None
    assert abs((first - begun).total_seconds()) < 10
    scorer = plant.start("score", str(plant.monitor_file))
    with pytest.raises(AssertionError, match=r"learning, \d+ % of 40s; nothing was trained"):
        plant.run("retrain", str(plant.monitor_file))
    engine = open_database(plant.database)
    while "learning, " not in (said := _sentence(engine, clock)):
        assert clock.now() - begun < timedelta(seconds=AFTER_SECONDS), f"the page says only: {said}"
        clock.sleep(0.3)
    assert "records wait in the topic" in said
    assert "rigs: learning, " in plant.run("doctor", "--json")
    store = AlertStore(engine, "rigs", clock)
    assert store.positions(plant.topic) == {}
    plant.run("retrain", str(plant.monitor_file), "--wait", "--accept-blind")
    assert clock.now() - begun >= timedelta(seconds=AFTER_SECONDS - 1)
    until = clock.now() + timedelta(seconds=60)
    while sum(store.positions(plant.topic).values()) < COUNT and clock.now() < until:
        clock.sleep(0.3)
    assert store.positions(plant.topic) == {0: COUNT // 2, 1: COUNT // 2}
    assert scorer.poll() is None


def _sentence(engine: Engine, clock: SystemClock) -> str:
    """What the overview says of the one monitor."""
    return next(state_of(facts, clock.now()).sentence for facts in overview(engine, clock.now()))
