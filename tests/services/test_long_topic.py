"""A topic in long form by the commands: what `init` writes trains, scores and replays, and torn entities are told."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from kafka import KafkaProducer

from latentwatch.alerts.database import open_database
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import SystemClock
from tests.services.proof_stage import Plant, rows_of, value_of, wait_until

HOSTS, METRICS, TICKS, PARTITIONS = 4, ("cpu", "load", "mem"), 400, 2
START = 1_760_000_040
FAULT = range(300, 310)
clock = SystemClock()


def values(ticks: int, seed: int, fault: range = range(0)) -> list[tuple[int, bytes]]:
    """Host and message of every value: three coupled metrics a host and minute, one of them wrong while there is a fault."""
    rng = np.random.default_rng(seed)
    found = []
    for tick in range(ticks):
        for host in range(HOSTS):
            load = rng.normal(1, 0.2)
            measured = {"cpu": 20 * load + rng.normal(), "load": load, "mem": 8e9 + 1e8 * load}
            if tick in fault and host == 1:
                measured["cpu"] = 90.0
            for place, name in enumerate(rng.permutation(METRICS)):
                record = {
                    "at": START + 60 * tick + host + 5 * place,
                    "host": f"web{host}",
                    "metric": str(name),
                    "value": measured[name],
                }
                found.append((host, json.dumps(record).encode()))
    return found


@pytest.fixture
def plant(tmp_path: Path, kafka_address: str, topic: Callable[..., str]) -> Iterator[Plant]:
    """A folder with settings of its own and a topic of two partitions."""
    (tmp_path / "monitors").mkdir()
    plant = Plant(tmp_path, topic(PARTITIONS), kafka_address, f"sqlite:///{tmp_path}/latentwatch.db")
    yield plant
    plant.stop()


def send(plant: Plant, messages: list[tuple[int, bytes]]) -> None:
    """Each to the partition that is told."""
    producer = KafkaProducer(bootstrap_servers=plant.kafka, linger_ms=20)
    for place, message in messages:
        producer.send(plant.topic, message, partition=place % PARTITIONS)
    producer.close()


def test_a_topic_in_long_form(plant: Plant) -> None:
    """Init, train, score, replay, train from the topic, and what doctor says of its keys."""
    history = plant.folder / "history.jsonl"
    history.write_bytes(b"\n".join(message for _, message in values(800, seed=1)))
    monitor = str(plant.monitor_file)
    plant.run("init", str(history), "--topic", plant.topic, "-o", monitor, "--name", "hosts")
    text = plant.monitor_file.read_text()
    assert "must be keyed by 'host'" in text
    plant.monitor_file.write_text(f"{text}\nmodel: {{kind: linear, effort: light}}\n")
    plant.run("train", monitor, "--history", str(history))
    messages = values(TICKS, seed=2, fault=FAULT)
    late = messages[5 * HOSTS][1]
    broken = json.dumps({**json.loads(messages[2999][1]), "value": "broken"}).encode()
    sent = [*messages[:3000], (0, late), (1, broken), (0, b"{"), *messages[3000:]]
    send(plant, sent)
    scorer = plant.start("score", monitor)
    store = AlertStore(open_database(plant.database), "hosts", clock)
    ends = {part: sum(place % PARTITIONS == part for place, _ in sent) for part in range(PARTITIONS)}
    wait_until(lambda: store.positions(plant.topic) == ends, "the topic's end")
    scorer.terminate()
    scorer.wait(30)
    engine = open_database(plant.database)
    scored = int(value_of(engine, "SELECT sum(scored) FROM minute_counts"))
    assert scored == HOSTS * TICKS
    said = " ".join((plant.folder / "score-0.log").read_text().split())
    assert f"scored {scored:,} records" in said
    assert (
        f"1 dead letter, {len(sent) - scored - 1:,} messages aligned into them, 1 value not read and left out" in said
    )
    assert "rows may be torn" not in said
    flagged = rows_of(engine, "SELECT entity, time FROM flagged_records")
    assert {entity for entity, _ in flagged} >= {"web1"}
    assert sum(entity == "web1" for entity, _ in flagged) >= len(FAULT) // 2
    same = json.loads(plant.run("replay", monitor, "--json", "--version", "1"))
    assert (same["records"], same["flagged_against"], same["flagged_by_both"]) == (scored, len(flagged), len(flagged))
    plant.run("train", monitor)
    learned = value_of(engine, "SELECT trained_records FROM model_versions WHERE version = 2")
    assert 0.95 * scored <= learned < scored  # without what the open alerts are about
    assert "every entity is in one partition" in plant.run("doctor", monitor, "--only", "kafka", "--json")
    send(plant, [(host + number % 2, message) for number, (host, message) in enumerate(values(20, seed=3))])
    doctor = plant.start("doctor", monitor, "--only", "kafka")
    assert doctor.wait(60) == 1
    log = next(plant.folder.glob("doctor-*.log"))
    assert "4 of 4 entities ('web0', 'web1', 'web2', ...) are in several partitions" in " ".join(
        log.read_text().split()
    )
    plant.start("score", monitor)
    log = plant.folder / f"score-{len(plant.processes) - 1}.log"
    wait_until(lambda: "rows may be torn" in log.read_text(), "the warning at the start")
