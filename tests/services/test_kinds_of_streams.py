"""What people's streams look like: `init` writes a monitor that nobody edits, and a file and a real topic are scored alike."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from kafka import KafkaProducer
from sqlalchemy import Engine
from typer.testing import CliRunner

from latentwatch.alerts.database import open_database
from latentwatch.alerts.reading.stream import message_counts
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import app
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.settings import load_settings
from latentwatch.streaming import run_scorer
from latentwatch.streams.sources.array_source import STRIDE, name_of
from tests.services.exported_streams import EXPORTED
from tests.services.kinds_of_streams import EVERY, FAULT, HISTORY_TICKS, KINDS, NEW_TICKS, START, Kind, measured
from tests.services.proof_stage import rows_of, value_of, wait_until

EVERY_KIND = KINDS | EXPORTED
clock = SystemClock()
HISTORY = measured(range(HISTORY_TICKS))
NEW = measured(
    range(HISTORY_TICKS, HISTORY_TICKS + NEW_TICKS), range(HISTORY_TICKS + FAULT.start, HISTORY_TICKS + FAULT.stop)
)
QUICK = "\nmodel: {kind: linear, effort: light}\n"


def run(*arguments: str) -> str:
    """A command of ours, to its end, and what it said."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, f"{arguments}: {result.output[-3000:]} {result.exception!r}"
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path: Path, kafka_address: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTWATCH_DATABASE", f"sqlite:///{tmp_path}/latentwatch.db")
    monkeypatch.setenv("LATENTWATCH_KAFKA", kafka_address)
    monkeypatch.setenv("LATENTWATCH_BUNDLES", str(tmp_path / "bundles"))
    monkeypatch.setenv("LATENTWATCH_MONITORS", str(tmp_path))
    return tmp_path


def score_topic(monitor: Monitor, kafka: str, topic: str, messages: list[Any]) -> Engine:
    """Send the messages and have the scorer read them to the last; the database that it wrote to."""
    producer = KafkaProducer(bootstrap_servers=kafka, linger_ms=20)
    for message in messages:
        producer.send(topic, json.dumps(message).encode())
    producer.close()
    settings, stop = load_settings(), Event()
    engine = open_database(settings.database)
    store = AlertStore(engine, monitor.name, clock)
    stream, end = (name_of(topic), len(messages) * STRIDE) if monitor.record.takes_apart else (topic, len(messages))
    with ThreadPoolExecutor(1) as pool:
        scoring = pool.submit(run_scorer, monitor, settings, engine, clock, stop)
        try:
            wait_until(lambda: scoring.done() or store.positions(stream) == {0: end}, "the topic's end")
        finally:
            stop.set()
        scoring.result()
    return engine


def _moment(tick: int) -> str:
    return (START + tick * EVERY).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_file_and_a_topic_are_scored_alike(
    name: str, folder: Path, kafka_address: str, topic: Callable[..., str]
) -> None:
    """No edit between `init` and the scores; the fault is found; the same rows have the same surprise; no message is lost."""
    kind: Kind = EVERY_KIND[name]
    history, new, ending = kind.of(HISTORY), kind.of(NEW), "csv" if kind.table else "jsonl"
    (folder / f"history.{ending}").write_bytes(kind.file(history))
    (folder / f"new.{ending}").write_bytes(kind.file(new))
    named = topic()
    run("init", f"history.{ending}", "--topic", named, "--name", "kind", "-o", "kind.yaml")
    written = Path("kind.yaml").read_text()
    assert all(told in written for told in kind.told), written
    Path("kind.yaml").write_text(written + QUICK)  # a model that is quickly trained; the record is init's
    run("train", "kind.yaml", "--history", f"history.{ending}")
    said = run("score", "kind.yaml", "--input", f"new.{ending}", "--output", "scores.jsonl")
    lines = [json.loads(line) for line in Path("scores.jsonl").read_text().splitlines()]
    rows = [line for line in lines if "error" not in line]
    assert len(lines) - len(rows) == kind.dead, said
    flagged = {(row.get("entity") or "", row["time"]): row["surprise"] for row in rows if row["flagged"]}
    faulty = {_moment(HISTORY_TICKS + tick) for tick in FAULT}
    whose = {entity for entity, time in flagged if time[:16] in faulty}
    assert len(whose) == 1, sorted(flagged)
    found = {time[:16] for entity, time in flagged if entity in whose} & faulty
    assert len(found) >= len(FAULT) // 2, f"{sorted(flagged)}, {said}"
    before = [time for _, time in flagged if time < min(faulty)]
    assert len(before) <= 3, before  # behind a fault, records that still remember it may be flagged too
    monitor = load_monitor(folder / "kind.yaml")
    engine = score_topic(monitor, kafka_address, named, new)
    counts = message_counts(engine, "kind")
    assert counts.scored + counts.aligned + counts.passed + counts.dead == counts.read == sum(map(kind.held, new))
    assert counts.dead == kind.dead
    assert value_of(engine, "SELECT count(*) FROM entities") == kind.entities
    still_open = kind.entities if monitor.record.long else 0  # a file's end ends the last rows, a topic goes on
    assert 0 <= len(rows) - counts.scored <= still_open
    streamed = {
        (entity or "", str(time).replace(" ", "T")[:16]): surprise
        for entity, time, surprise in rows_of(engine, "SELECT entity, time, surprise FROM flagged_records")
    }
    last = _moment(HISTORY_TICKS + NEW_TICKS - 3)
    early = {(entity, time[:16]): surprise for (entity, time), surprise in flagged.items() if time < last}
    assert {at: surprise for at, surprise in streamed.items() if at[1] < last} == pytest.approx(early, rel=1e-4)
