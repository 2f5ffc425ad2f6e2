"""The whole loop on real sensor data, with real parts: Kafka, PostgreSQL, Airflow, Chromium, two scorers.

`make proof` runs it alone and prints what it saw.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from playwright.sync_api import Page
from sqlalchemy import Engine, create_engine

from benchmarks.quality.cases import Numbers
from benchmarks.quality.datasets import data_folder, skab_names
from benchmarks.quality.ours import sensor_method
from benchmarks.quality.suites import skab_run
from latentwatch.alerts.reviewing import Interval, excluded_intervals
from latentwatch.domain.clock import to_microseconds
from latentwatch.domain.record import Batch
from latentwatch.snapshots import read_snapshot
from tests.services.proof_stage import (
    Plant,
    Producing,
    accounted,
    ends_of,
    rows_of,
    say,
    serving_versions,
    value_of,
    wait_for_address,
    wait_until,
)
from tests.services.skab import BROKEN, messages, skab_folder, write_history, write_normal_history

SENSORS = {
    "Accelerometer1RMS",
    "Accelerometer2RMS",
    "Current",
    "Pressure",
    "Temperature",
    "Thermocouple",
    "Voltage",
    "Volume Flow RateRMS",
}


@pytest.fixture
def plant(tmp_path: Path, kafka_address: str, postgres_url: str, topic: Callable[..., str]) -> Iterator[Plant]:
    """A fresh folder, topic and database; every process ends with the test."""
    (tmp_path / "monitors").mkdir()
    plant = Plant(tmp_path, topic(partitions=4, prefix="skab"), kafka_address, postgres_url)
    yield plant
    plant.stop()


@pytest.fixture
def database(plant: Plant) -> Iterator[Engine]:
    """The proof's own look into the database, independent of the code that wrote it."""
    engine = create_engine(plant.database)
    yield engine
    engine.dispose()


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_whole_loop_on_the_pump_test_bed(plant: Plant, database: Engine, page: Page):
    """Real records become alerts that a person reviews, while the next model is trained and taken up."""
    write_a_sensible_monitor(plant)
    train_the_first_model(plant, database)
    stream = messages()
    half, last = len(stream) // 2, len(stream) * 3 // 4
    first = plant.start("score", str(plant.monitor_file))
    plant.start("score", str(plant.monitor_file))
    with Producing(plant, stream[:half], per_second=1500):
        wait_until(lambda: accounted(database) > half // 4, "a quarter of the records to be accounted for")
        first.send_signal(signal.SIGKILL)
        say("scorer killed with kill -9; the other one takes its partitions")
    wait_until(lambda: accounted(database) == half, "the first half to be accounted for", database)
    plant.start("score", str(plant.monitor_file))
    retraining = start_the_retraining_dag(plant)
    with Producing(plant, stream[half:last], per_second=200) as producing:
        assert retraining.wait(600) == 0, (plant.folder / "dag.log").read_text()[-6000:]
        say(f"the retraining DAG ran under Airflow: {' '.join(latest_reasons(database))}")
        wait_until(lambda: serving_versions(database) == [2, 2], "both scorers to serve version 2", database)
        producing.hurry()
    with Producing(plant, stream[last:], per_second=4000):
        say("both scorers swapped to version 2 while scoring; the last quarter follows")
    wait_until(lambda: accounted(database) == len(stream), "every record to be accounted for", database)

    every_record_is_accounted_for_once(plant, database, len(stream))
    broken_messages_are_dead_letters_with_reasons(database)
    both_versions_scored(database)
    every_verdict_replays(plant)
    alert = a_person_labels_an_alert(plant, database, page)
    the_next_snapshot_leaves_it_out(plant, database, alert)


@pytest.mark.long
def test_detection_at_default_settings_is_printed():
    """The public protocol, run by run with shipped defaults: far better than chance, and shown as it is."""
    method = sensor_method(seeds=1)
    runs: list[Numbers] = [skab_run(data_folder(), name, method, seed=0) for name in skab_names(data_folder())]
    hits, misses, alarms, quiet = (
        sum(run[name] for run in runs) for name in ("hits", "misses", "false_alarms", "quiet")
    )
    auroc, vus = (float(np.mean([run[name] for run in runs])) for name in ("auroc", "vus_pr"))
    say(f"SKAB, {len(runs)} runs, default threshold, pooled: F1 {2 * hits / (2 * hits + alarms + misses):.3f}")
    say(f"FAR {100 * alarms / (alarms + quiet):.1f} %, MAR {100 * misses / (hits + misses):.1f} %")
    say(f"mean per run: AUROC {auroc:.3f}, VUS-PR {vus:.3f}")
    assert auroc > 0.8
    assert vus > 0.8


def write_a_sensible_monitor(plant: Plant) -> None:
    """`latentwatch init` finds time and sensors of a run by itself; with the runs' names, the entity too."""
    plant.run("init", str(skab_folder() / "valve1-0.csv"), "-o", "guessed.yaml")
    guessed = yaml.safe_load((plant.folder / "guessed.yaml").read_text())
    assert guessed["record"]["time"] == "datetime"
    assert set(guessed["record"]["features"]) == SENSORS
    rows = write_history(plant.folder / "history.csv")
    plant.run(
        "init",
        "history.csv",
        "-o",
        str(plant.monitor_file),
        "--name",
        "skab",
        "--topic",
        plant.topic,
        "--entity",
        "run",
    )
    monitor = yaml.safe_load(plant.monitor_file.read_text())
    assert set(monitor["record"]["features"]) == SENSORS
    monitor["alert"] = {"false_alarm_rate": 0.01}
    monitor["retrain"] = {"source": str(plant.folder / "normal.csv"), "history": "520w"}
    write_normal_history(plant.folder / "normal.csv")
    plant.monitor_file.write_text(yaml.safe_dump(monitor, sort_keys=False))
    say(f"monitor written by init; {rows} rows of normal history")


def train_the_first_model(plant: Plant, database: Engine) -> None:
    """The anomaly-free run and the first 400 rows of each run give version 1, which is promoted."""
    plant.run("train", str(plant.monitor_file), "--history", "history.csv")
    versions = rows_of(database, "SELECT version, status, reasons FROM model_versions")
    assert [(row.version, row.status) for row in versions] == [(1, "champion")], versions
    say(f"version 1 promoted: {' '.join(versions[0].reasons)}")


def start_the_retraining_dag(plant: Plant) -> subprocess.Popen[bytes]:
    """Airflow itself runs the DAG of the monitor, from its history to the promotion; returns once it is fitting.

    What was flagged until then is left out of its history, so that is waited for: the outcome must not hang on timing.
    """
    script = (
        "from airflow.utils.db import initdb; initdb()\n"
        "from latentwatch.dags.retrain_dag import retrain_skab\n"
        "run = retrain_skab.test()\n"
        "assert run.state == 'success', run.state\n"
    )
    with (plant.folder / "dag.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=plant.folder,
            env=plant.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    plant.processes.append(process)
    wait_until(
        lambda: process.poll() is not None or bool(list((plant.folder / "work").glob("skab/manual*/clean.json"))),
        "the DAG's snapshot",
    )
    return process


def latest_reasons(database: Engine) -> list[str]:
    """The judge's words on the newest version."""
    reasons: list[str] = rows_of(database, "SELECT reasons FROM model_versions ORDER BY version DESC")[0].reasons
    return reasons


def every_record_is_accounted_for_once(plant: Plant, database: Engine, produced: int) -> None:
    """Scored and dead letters add up to what was produced, and the offsets to the topic's ends."""
    scored = value_of(database, "SELECT sum(scored) FROM minute_counts")
    dead = value_of(database, "SELECT count(*) FROM dead_letters")
    offsets = {row.partition: row.next_offset for row in rows_of(database, "SELECT * FROM offsets")}
    assert scored + dead == produced
    assert offsets == ends_of(plant)
    say(f"ALL RECORDS ACCOUNTED FOR: {produced} produced = {scored} scored + {dead} dead letters")


def broken_messages_are_dead_letters_with_reasons(database: Engine) -> None:
    """Ten broken messages are kept as they were, each with a sentence."""
    letters = rows_of(database, "SELECT payload, reason FROM dead_letters")
    assert sorted(bytes(letter.payload) for letter in letters) == sorted(BROKEN)
    assert all(len(letter.reason) > 15 for letter in letters)
    for letter in letters:
        say(f"dead letter: {letter.reason}")


def both_versions_scored(database: Engine) -> None:
    """Records were scored by version 1 and, after the swap, by version 2."""
    counts = rows_of(
        database, "SELECT model_version, sum(scored) AS scored FROM minute_counts GROUP BY 1 ORDER BY model_version"
    )
    assert [row.model_version for row in counts] == [1, 2]
    say(", ".join(f"version {row.model_version} scored {row.scored}" for row in counts))


def every_verdict_replays(plant: Plant) -> None:
    """Every stored score equals what its recorded bundle gives for its stored input."""
    report = json.loads(plant.run("replay", str(plant.monitor_file), "--json").strip().splitlines()[-1])
    assert report["records"] > 0
    assert report["differing"] == 0, report
    say(f"{report['records']} stored decisions replayed, none differs")


def a_person_labels_an_alert(plant: Plant, database: Engine, page: Page) -> Any:
    """Chromium opens the inbox, opens an alert and labels it true; the database has it."""
    plant.start("serve", "--port", "0")
    address = wait_for_address(plant)
    page.goto(f"{address}/alerts")
    page.locator("a[href*='/alerts/']").first.click()
    page.wait_for_url("**/alerts/*")
    page.keyboard.press("t")
    wait_until(lambda: value_of(database, "SELECT count(*) FROM labels WHERE verdict = 'true'") == 1, "the label")
    return rows_of(database, "SELECT a.* FROM alerts a JOIN labels l ON l.alert_id = a.id WHERE l.verdict = 'true'")[0]


def the_next_snapshot_leaves_it_out(plant: Plant, database: Engine, alert: Any) -> None:
    """The labelled stretch is in the history and not in what the next model learns from."""
    script = (
        "import sys\n"
        "from latentwatch.retraining import leave_out_incidents, snapshot_history\n"
        "folder = snapshot_history(sys.argv[1], 'after-the-label')\n"
        "leave_out_incidents(folder)\n"
        "print(folder)\n"
    )
    folder = plant.python(script, str(plant.monitor_file)).strip().splitlines()[-1]
    whole, clean = (read_snapshot(plant.folder / folder / name) for name in ("history.parquet", "clean.parquet"))
    (incident,) = (
        interval
        for interval in excluded_intervals(database, "skab")
        if interval.entity == alert.entity and interval.start <= alert.started and interval.end > alert.ended
    )
    assert records_within(whole, incident) > 0
    assert records_within(clean, incident) == 0
    assert len(clean) > len(whole) // 3
    say(f"the labelled stretch is left out: {len(whole)} records of history, {len(clean)} to learn from")


def records_within(batch: Batch, incident: Interval) -> int:
    """Records of an incident's entity inside it."""
    inside = (batch.times >= to_microseconds(incident.start)) & (batch.times < to_microseconds(incident.end))
    return int((inside & (batch.entities == incident.entity)).sum())
