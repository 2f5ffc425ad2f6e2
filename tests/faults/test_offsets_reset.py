"""Offsets moved by `latentwatch offsets` while scorers run, sit at the end of their topic, or have lost it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from latentwatch.cli import main
from latentwatch.domain.record import first_name
from tests.faults.scene import Scene
from tests.faults.workload import PARTITIONS, record

Offsets = Callable[..., dict[str, Any]]


@pytest.fixture
def offsets(scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Offsets:
    """Runs the command on the scene's monitor; what it printed as JSON."""
    monkeypatch.setenv("LATENTWATCH_DATABASE", scene.database)
    monkeypatch.setenv("LATENTWATCH_KAFKA", scene.servers)

    def run(what: str, *options: str) -> dict[str, Any]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["offsets", what, "faults", *options, "--json"])
        assert not ended.value.code
        found: dict[str, Any] = json.loads(capfd.readouterr().out)
        return found

    return run


def counted(scene: Scene) -> int:
    """Records scored so far, each time."""
    return int(scene.ask("SELECT coalesce(sum(scored), 0) FROM minute_counts")[0][0])


def test_a_running_scorer_goes_on_from_where_it_was_put(scene: Scene, offsets: Offsets) -> None:
    """One that sits at the end of its topic notices too; what was flagged is not doubled, and the audit says what was done."""
    scene.send((number % 2, record(number)) for number in range(100))
    scorer = scene.start()
    scene.wait_for(100)
    standing = {p["partition"]: p for p in offsets("show")["partitions"]}
    assert [standing[p]["next_offset"] for p in range(PARTITIONS)] == [50, 50, 0, 0]
    assert [standing[p]["behind"] for p in range(PARTITIONS)] == [0] * PARTITIONS
    preview = offsets("reset", "--to", "earliest", "--partition", "1")
    assert (preview["done"], scene.positions()[1]) == (False, 50)
    assert preview["moves"] == [{"partition": 1, "before": 50, "after": 0, "scored_again": 50, "skipped": 0}]
    assert offsets("reset", "--to", "earliest", "--partition", "1", "--yes")["done"]
    scene.wait_until(lambda: counted(scene) == 150, "the partition was not read again")
    assert scene.progress() == 100
    ((partition, words),) = scene.ask("SELECT partition, message FROM audit WHERE kind = 'offsets_reset'")
    assert (partition, "50 offsets to be scored again" in words) == (1, True)
    scene.send((1, record(number)) for number in range(100, 110))
    scene.wait_for(110)
    assert scene.stop(scorer) == 0
    assert (scene.positions()[1], counted(scene)) == (60, 160)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_backlog_is_skipped_to_a_time(scene: Scene, offsets: Offsets) -> None:
    """Records that arrived before the time are passed over, those after it are scored; the preview counts both."""
    scene.send((0, record(number)) for number in range(30))
    first = scene.start()
    scene.wait_for(30)
    assert scene.stop(first) == 0
    scene.send((0, record(number)) for number in range(30, 50))
    between = scene.clock.now() + timedelta(milliseconds=50)
    scene.clock.sleep(0.1)
    scene.send((0, record(number)) for number in range(50, 60))
    done = offsets("reset", "--to", between.isoformat(), "--yes")
    assert done["moves"][0] == {"partition": 0, "before": 30, "after": 50, "scored_again": 0, "skipped": 20}
    scene.start()
    scene.wait_for(40)
    assert set(scene.account().scored) == {(0, offset) for offset in (*range(30), *range(50, 60))}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_topic_made_anew_is_begun_where_a_person_says(scene: Scene, offsets: Offsets) -> None:
    """With `on_recreated: stop`, a reset names the place in the new topic, and the next scorer reads on from there."""
    scene.send((0, record(number)) for number in range(30))
    first = scene.start()
    scene.wait_for(30)
    assert scene.stop(first) == 0
    admin = KafkaAdminClient(bootstrap_servers=scene.servers)
    admin.delete_topics([scene.topic])

    def filled() -> bool:
        try:
            admin.create_topics([NewTopic(scene.topic, num_partitions=PARTITIONS, replication_factor=1)])
            scene.send(((0, record(number)) for number in range(100, 150)), max_block_ms=5_000)
        except KafkaError:
            return False
        return True

    scene.wait_until(filled, "the topic cannot be made anew")
    admin.close()
    shown = offsets("show")["partitions"]
    assert {p["current"] for p in shown if p["stream"] == scene.topic} == {False}
    done = offsets("reset", "--to", "latest", "--yes")
    assert first_name(done["stream"]) == scene.topic != done["stream"]
    assert done["moves"][0] == {"partition": 0, "before": None, "after": 50, "scored_again": 0, "skipped": 50}
    scorer = scene.start()
    scene.send((0, record(number)) for number in range(150, 160))
    scene.wait_for(40)
    assert scene.stop(scorer) == 0
    assert scene.ask("SELECT source, count(*) FROM flagged_records GROUP BY source ORDER BY source") == [
        (scene.topic, 30),
        (done["stream"], 10),
    ]
