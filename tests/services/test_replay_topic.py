"""`latentwatch replay --version` reads a topic again: the very decisions and positions, and nothing live is touched."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaProducer

from latentwatch.alerts.database import open_database
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import SystemClock, from_microseconds
from latentwatch.streams.sources.array_source import STRIDE, name_of
from tests.services.proof_stage import Plant

pytestmark = pytest.mark.long

COUNT, EACH, PARTITIONS = 240, 4, 2
PATIENCE_SECONDS = 60.0
FIRST_MS = 1_760_000_000_000
clock = SystemClock()


def records(count: int, seed: int) -> list[dict[str, Any]]:
    """Coupled columns of a rig a partition, a second apart; every fiftieth record breaks their coupling."""
    a, b, noise = np.random.default_rng(seed).normal(size=(3, count))
    c = a + b + 0.05 * noise + np.where(np.arange(count) % 50 == 49, 6.0, 0.0)
    return [
        {"at": FIRST_MS + row * 1_000, "rig": f"rig-{row // EACH % PARTITIONS}", "a": a[row], "b": b[row], "c": c[row]}
        for row in range(count)
    ]


@pytest.fixture
def plant(tmp_path: Path, kafka_address: str, topic: Callable[..., str]) -> Iterator[Plant]:
    """A folder with settings of its own and a topic of two partitions."""
    (tmp_path / "monitors").mkdir()
    plant = Plant(tmp_path, topic(PARTITIONS), kafka_address, f"sqlite:///{tmp_path}/latentwatch.db")
    yield plant
    plant.stop()


def send(plant: Plant, rows: list[dict[str, Any]], arrays: bool) -> None:
    """Each rig to its partition, one message a record or one for several."""
    producer = KafkaProducer(bootstrap_servers=plant.kafka, linger_ms=20)
    for start in range(0, len(rows), EACH):
        group = rows[start : start + EACH]
        for value in [group] if arrays else group:
            producer.send(plant.topic, json.dumps(value).encode(), partition=int(group[0]["rig"][-1]))
    producer.close()


@pytest.mark.parametrize("arrays", [False, True], ids=["records", "arrays"])
def test_a_topic_is_scored_again(plant: Plant, arrays: bool) -> None:
    """A version gives its own stored decisions again; two versions are compared; positions stay where they were."""
    rows = records(COUNT, seed=3)
    for version in (1, 2):
        lines = [json.dumps(row) for row in records(600, seed=version) if row["c"] - row["a"] - row["b"] < 3.0]
        (plant.folder / f"history-{version}.jsonl").write_text("\n".join(lines))
    plant.monitor_file.write_text(
        f"name: rigs\nsource: {{kafka: {{topic: {plant.topic}, arrays: {str(arrays).lower()}}}}}\n"
        "record: {time: at, entity: rig, features: {a: numeric, b: numeric, c: numeric}}\n"
        "model: {kind: linear, effort: light}\n"
    )
    for version in (1, 2):
        plant.run("train", str(plant.monitor_file), "--history", f"history-{version}.jsonl")
    serving = next(
        version["version"]
        for version in json.loads(plant.run("models", "list", "rigs", "--json"))
        if version["status"] == "champion"
    )
    other = 3 - serving
    send(plant, rows, arrays)
    scorer = plant.start("score", str(plant.monitor_file))
    store = AlertStore(open_database(plant.database), "rigs", clock)
    name, end = (name_of(plant.topic), COUNT // EACH // PARTITIONS * STRIDE) if arrays else (plant.topic, COUNT // 2)
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while store.positions(name) != {0: end, 1: end} and clock.monotonic() < deadline:
        clock.sleep(0.2)
    assert store.positions(name) == {0: end, 1: end}
    scorer.terminate()
    scorer.wait(30)
    send(plant, records(40, seed=4), arrays)

    def replay(*options: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(plant.run("replay", str(plant.monitor_file), "--json", *options))
        return found

    stored = replay()["records"]
    assert stored >= 2
    same = replay("--version", str(serving))
    assert (same["records"], same["flagged_against"], same["flagged_by_both"]) == (COUNT, stored, stored)
    assert (same["only_against"], same["only_version"]) == ([], [])
    between = ("--since", from_microseconds(rows[100]["at"] * 1_000).isoformat())
    between += ("--until", from_microseconds(rows[200]["at"] * 1_000).isoformat())
    assert replay("--version", str(serving), *between)["records"] == 100
    both = replay("--version", str(other), "--against", str(serving))
    assert both["records"] == COUNT + 40
    assert both["flagged_against"] >= stored
    assert store.positions(name) == {0: end, 1: end}
