"""Commands that are killed on the way and run again: what they leave is right and whole, and nothing is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow.csv import read_csv
from sqlalchemy import text

from latentwatch.alerts.database import SchemaState, alembic_config, migrate, open_database, schema_state
from latentwatch.alerts.session import transaction
from latentwatch.domain.clock import SystemClock
from tests.services.test_retraining_dag import write_history

pytestmark = pytest.mark.long

ENOUGH = 1_000_000
"""A point that no run reaches."""
MONITOR = """\
name: pump
source: {file: {path: history.csv}}
record: {time: at, features: {a: numeric, b: numeric, c: numeric}}
model: {kind: linear, effort: light}
window: 1
alert: {false_alarm_rate: 0.01}
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Python in a folder, with the embedded defaults."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATENTWATCH_")}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=kept, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> int:
    """Its exit code, which is success or the kill."""
    _, said = process.communicate(timeout=300)
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode


def prepared(folder: Path) -> Path:
    """A folder with a monitor and its history."""
    folder.mkdir()
    (folder / "pump.yaml").write_text(MONITOR)
    write_history(folder / "history.csv", 400)
    return folder


def versions(folder: Path) -> list[tuple[int, str, str]]:
    """What the database of a folder says of its models."""
    engine = open_database(f"sqlite:///{folder / 'latentwatch.db'}")
    with transaction(engine) as session:
        rows = session.execute(text("SELECT version, status, bundle FROM model_versions")).all()
    engine.dispose()
    return [(row[0], row[1], row[2]) for row in rows]


def test_retrain_killed_at_one_point_after_the_other(tmp_path: Path) -> None:
    """A run taken up again and again, each time killed one file or commit later, ends in the model of an undisturbed one."""
    undisturbed, disturbed = prepared(tmp_path / "undisturbed"), prepared(tmp_path / "disturbed")
    words = ("-m", "tests.faults.dying", "retrain")
    assert finish(start(undisturbed, *words, str(ENOUGH), "pump.yaml", "history.csv")) == 0
    deaths = 0
    while finish(start(disturbed, *words, str(deaths + 1), "pump.yaml", "history.csv")) != 0:
        deaths += 1
    assert deaths > 4
    ((number, status, bundle),) = versions(disturbed)
    assert (number, status, [(number, status, bundle)]) == (1, "champion", versions(undisturbed))
    doctor = start(disturbed, "-m", "latentwatch", "doctor", "--only", "bundles", "--only", "models")
    assert finish(doctor) == 0


def test_backfill_killed_midway(tmp_path: Path) -> None:
    """What was half written is not taken for the result, stands in nobody's way, and the second run gives every row."""
    folder = prepared(tmp_path / "plant")
    assert finish(start(folder, "-m", "latentwatch", "train", "pump.yaml", "--history", "history.csv")) == 0
    pq.write_table(read_csv(folder / "history.csv"), folder / "archive.parquet")
    words = ("-m", "latentwatch", "backfill", "pump.yaml", "--input", "archive.parquet", "--output")
    assert finish(start(folder, *words, "whole")) == 0
    half, clock = start(folder, *words, "scores"), SystemClock()
    while not (folder / "scores.part").exists() and half.poll() is None:
        clock.sleep(0.001)
    half.kill()
    assert finish(half) == -signal.SIGKILL
    assert not (folder / "scores").exists()
    assert finish(start(folder, *words, "scores")) == 0
    assert pq.read_table(folder / "scores").equals(pq.read_table(folder / "whole"))
    assert not (folder / "scores.part").exists()


@pytest.mark.parametrize("point", [4, 12])
def test_migration_killed_midway(tmp_path: Path, database: str, point: int) -> None:
    """The next process finds the former schema or a newer whole one, brings it up to date, and every row is there."""
    engine = open_database(database)
    with transaction(engine) as session:
        from alembic import command

        command.upgrade(alembic_config(session.connection()), "0001")
        session.execute(text("INSERT INTO monitors (name, definition, notify, created, updated) VALUES " + _PUMP))
    assert finish(start(tmp_path, "-m", "tests.faults.dying", "migrate", str(point), database)) == -signal.SIGKILL
    assert schema_state(engine) is SchemaState.OLDER
    migrate(engine)
    assert schema_state(engine) is SchemaState.CURRENT
    with transaction(engine) as session:
        assert session.execute(text("SELECT name FROM monitors")).all() == [("pump",)]
    engine.dispose()


_PUMP = "('pump', '', '[]', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
