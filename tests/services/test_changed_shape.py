"""A topic that changes its shape: one notice a change on the page and to the channel, and every record is accounted for."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaProducer
from playwright.sync_api import Page, expect

from latentwatch.alerts.database import open_database
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import SystemClock
from tests.services.pager import Pager, receiving
from tests.services.proof_stage import Plant, rows_of, value_of, wait_for_address, wait_until

pytestmark = pytest.mark.long

START, RIGS, PARTITIONS = 1_760_000_000, 3, 2
MONITOR = """
name: rigs
source: {kafka: {topic: %s}}
record: {time: at, entity: rig, features: {flow: numeric, load: numeric, temp: numeric}}
model: {kind: linear, effort: light}
alert: {false_alarms_per_day: 2, notify: [pager]}
"""
LONG = MONITOR.replace("features: {", "long: {name: of, value: is}, every: 10s, features: {")
clock = SystemClock()
Record = tuple[int, dict[str, Any]]


@pytest.fixture
def pager() -> Iterator[Pager]:
    """A running webhook."""
    with receiving() as taken:
        yield taken


@pytest.fixture
def plant(tmp_path: Path, kafka_address: str, topic: Callable[..., str], pager: Pager) -> Iterator[Plant]:
    """A folder with settings of its own and a topic of two partitions."""
    (tmp_path / "monitors").mkdir()
    told = {"LATENTWATCH_CHANNELS": json.dumps({"pager": pager.address})}
    database = f"sqlite:///{tmp_path}/latentwatch.db"
    plant = Plant(tmp_path, topic(PARTITIONS), kafka_address, database, monitor="rigs", told=told)
    yield plant
    plant.stop()


def measured(first: int, last: int) -> Iterator[Record]:
    """Three coupled numbers of every rig, each ten seconds."""
    rng = np.random.default_rng(first)
    for tick in range(first, last):
        for rig in range(RIGS):
            load = rng.normal(1, 0.2)
            values = {"flow": 3 * load + rng.normal(0, 0.1), "load": load, "temp": 20 + 5 * load + rng.normal(0, 0.2)}
            yield rig, {"at": START + 10 * tick, "rig": f"r{rig}", **values}


def changing() -> Iterator[Record]:
    """A field that is new, then one that comes no more for a while, then one whose every third value is of another type."""
    yield from measured(0, 2_500)
    for number, (rig, record) in enumerate(measured(2_500, 4_700)):
        record["gust"] = 1.5
        if 300 <= number < 2_700:
            del record["flow"]
        if number >= 3_600 and number % 3 == 0:
            record["temp"] = "warm"
        yield rig, record


def in_long_form(records: Iterator[Record]) -> Iterator[Record]:
    """A value a message."""
    for rig, record in records:
        for name, value in record.items():
            if name not in ("at", "rig"):
                yield rig, {"at": record["at"], "rig": record["rig"], "of": name, "is": value}


@pytest.mark.parametrize("form", ["wide", "long"])
def test_a_topic_that_changes_its_shape(plant: Plant, pager: Pager, page: Page, form: str) -> None:
    """New, vanished, moved: a notice each, in the audit, on the page and to the channel, and nothing is lost."""
    plant.monitor_file.write_text((LONG if form == "long" else MONITOR) % plant.topic)
    history, stream = measured(0, 1_500), list(changing())
    if form == "long":
        history, stream = in_long_form(history), list(in_long_form(iter(stream)))
    (plant.folder / "history.jsonl").write_text("".join(f"{json.dumps(record)}\n" for _, record in history))
    monitor = str(plant.monitor_file)
    plant.run("train", monitor, "--history", "history.jsonl")
    producer = KafkaProducer(bootstrap_servers=plant.kafka, linger_ms=20)
    for rig, record in stream:
        producer.send(plant.topic, json.dumps(record).encode(), partition=rig % PARTITIONS)
    producer.close()
    plant.start("score", monitor)
    plant.start("notify")
    engine = open_database(plant.database)
    store = AlertStore(engine, "rigs", clock)
    ends = {part: sum(rig % PARTITIONS == part for rig, _ in stream) for part in range(PARTITIONS)}
    wait_until(lambda: store.positions(plant.topic) == ends, "the topic's end")

    noticed = rows_of(engine, "SELECT kind, message FROM audit WHERE kind LIKE 'field%' ORDER BY kind")
    wanted = [("field_moved", "'temp'"), ("field_new", "'gust'"), ("field_vanished", "'flow'")]
    assert [(kind, message.split()[1]) for kind, message in noticed] == wanted
    words = ["'flow' no longer comes", "'gust' is new", "'temp' has another type"]
    wait_until(lambda: len([title for title in pager.titles if "rigs: field" in title]) >= len(words), "the messages")
    clock.sleep(3)
    titles = sorted(title.split("field ")[1] for title in pager.titles if "rigs: field" in title)
    assert titles == words

    dead = int(value_of(engine, "SELECT count(*) FROM dead_letters"))
    unread = rows_of(engine, "SELECT field, sum(messages) FROM unread_values GROUP BY field")
    moved = sum(record.get("temp", record.get("is")) == "warm" for _, record in stream)
    assert (dead, [(field, int(messages)) for field, messages in unread]) == (0, [("temp", moved)])
    assert moved > 900
    scored = int(value_of(engine, "SELECT sum(scored) FROM minute_counts"))
    passed, aligned = rows_of(engine, "SELECT sum(passed), sum(aligned) FROM offsets")[0]
    assert scored + int(passed or 0) + int(aligned or 0) == len(stream)
    assert (scored == len(stream)) == (form == "wide")

    plant.start("serve", "--port", "0")
    page.goto(f"{wait_for_address(plant)}/dead-letters/rigs")
    expect(page.get_by_role("heading", name="The stream has changed")).to_be_visible()
    expect(page.get_by_text("field 'temp' has another type than the monitor says")).to_have_count(1)
    expect(page.get_by_text("the model goes on without it and sees less")).to_have_count(2)
    expect(page.get_by_role("heading", name="Values that could not be read")).to_be_visible()
    expect(page.get_by_text(f"{moved:,}", exact=True)).to_have_count(1)
    page.locator("summary").filter(has_text="The first 10 as they were sent").click()
    expect(page.get_by_text('"warm"').first).to_be_visible()
    expect(page.get_by_text("No dead letters")).to_be_visible()


def test_a_topic_of_which_every_field_moves_at_once_is_refused_with_one_notice(plant: Plant, pager: Pager) -> None:
    """The scorer stops where it stands, says so once, and goes on there when the sender is mended."""
    plant.monitor_file.write_text(MONITOR % plant.topic)
    (plant.folder / "history.jsonl").write_text("".join(f"{json.dumps(record)}\n" for _, record in measured(0, 1_500)))
    plant.run("train", str(plant.monitor_file), "--history", "history.jsonl")
    producer = KafkaProducer(bootstrap_servers=plant.kafka, linger_ms=20)
    for number, (rig, record) in enumerate(measured(0, 2_000)):
        moved = dict.fromkeys(("flow", "load", "temp"), "warm") if number >= 1_500 else {}
        producer.send(plant.topic, json.dumps({**record, **moved}).encode(), partition=rig % PARTITIONS)
    producer.close()
    plant.start("notify")
    for _ in range(2):
        assert plant.start("score", str(plant.monitor_file)).wait(120) == 4
    engine = open_database(plant.database)
    wait_until(lambda: any("refused" in title for title in pager.titles), "the message")
    clock.sleep(3)
    assert len([title for title in pager.titles if "refused" in title]) == 1
    dead = int(value_of(engine, "SELECT count(*) FROM dead_letters"))
    scored = int(value_of(engine, "SELECT sum(scored) FROM minute_counts"))
    store = AlertStore(engine, "rigs", clock)
    assert scored + dead == sum(store.positions(plant.topic).values())
    assert dead < 1_000
