"""The retraining DAG as Airflow runs it: the model it trained serves, and people are told where it failed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from latentwatch.alerts.database import open_database
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import NotificationRow

_DAGS = Path(__file__).resolve().parents[2] / "dags"
_RUN = """
import json, sys
from airflow.utils.db import initdb
initdb()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
run = bag.dags[sys.argv[2]].test()
states = {task.task_id: str(task.state) for task in run.get_task_instances()}
tries = {task.task_id: task.try_number for task in run.get_task_instances()}
print("RESULT" + json.dumps({"run": str(run.state), "tasks": states, "tries": tries}))
"""
_MONITOR = """\
name: pump
source: {file: {path: history.csv}}
record: {time: at, features: {a: numeric, b: numeric, c: numeric}}
model: {kind: linear, effort: light}
window: 1
alert: {false_alarm_rate: 0.01, notify: [oncall]}
retrain: {schedule: "@daily", history: 14d}
"""


def write_history(path: Path, rows: int) -> None:
    """Normal records a minute apart, three coupled numbers each."""
    numbers = np.random.default_rng(0)
    a, b = numbers.normal(size=(2, rows))
    c = a + b + 0.05 * numbers.normal(size=rows)
    times = np.datetime64("2026-01-01T00:00") + np.arange(rows) * np.timedelta64(1, "m")
    lines = [f"{at},{x:.5f},{y:.5f},{z:.5f}" for at, x, y, z in zip(times, a, b, c, strict=True)]
    path.write_text("\n".join(["at,a,b,c", *lines]) + "\n")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs Python beside a monitor `pump`, with a database, bundles and an Airflow of its own."""
    (tmp_path / "monitors").mkdir()
    (tmp_path / "monitors" / "pump.yaml").write_text(_MONITOR)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LATENTWATCH_", "AIRFLOW_"))}
    environment = kept | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(_DAGS),
        "LATENTWATCH_MONITORS": str(tmp_path / "monitors"),
        "LATENTWATCH_DATABASE": f"sqlite:///{tmp_path / 'latentwatch.db'}",
        "LATENTWATCH_BUNDLES": str(tmp_path / "bundles"),
        "LATENTWATCH_WORK": str(tmp_path / "work"),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    return run


@pytest.mark.timeout(900)
def test_the_dag_trains_judges_and_promotes(tmp_path: Path, run: Callable[..., str]):
    """Eight tasks in a row, and version 1 is the champion with its reasons; a run on the same history trains nothing."""
    write_history(tmp_path / "history.csv", 600)
    result = json.loads(run("-c", _RUN, str(_DAGS), "retrain_pump").rpartition("RESULT")[2])
    assert result["run"] == "success"
    assert set(result["tasks"].values()) == {"success"}
    assert len(result["tasks"]) == 8
    versions = json.loads(run("-m", "latentwatch", "models", "list", "pump", "--json"))
    assert [(version["version"], version["status"]) for version in versions] == [(1, "champion")]
    assert versions[0]["trained_records"] == 600
    assert "let in" in " ".join(versions[0]["reasons"])
    again = json.loads(run("-c", _RUN, str(_DAGS), "retrain_pump").rpartition("RESULT")[2])
    assert again["run"] == "success"
    assert {name for name, state in again["tasks"].items() if state == "success"} == {
        "snapshot_history",
        "leave_out_incidents",
    }
    assert "failed" not in again["tasks"].values()
    assert json.loads(run("-m", "latentwatch", "models", "list", "pump", "--json")) == versions


@pytest.mark.timeout(900)
def test_what_cannot_heal_fails_at_once_and_people_are_told(tmp_path: Path, run: Callable[..., str]):
    """Without a history the first task is tried once, and the monitor's channel has the reason in the outbox."""
    result = json.loads(run("-c", _RUN, str(_DAGS), "retrain_pump").rpartition("RESULT")[2])
    assert result["run"] == "failed"
    assert (result["tasks"]["snapshot_history"], result["tries"]["snapshot_history"]) == ("failed", 1)
    engine = open_database(f"sqlite:///{tmp_path / 'latentwatch.db'}")
    with reading(engine) as session:
        (message,) = session.scalars(select(NotificationRow)).all()
    engine.dispose()
    assert (message.channel, message.alert_id, message.title) == ("oncall", None, "[medium] pump: retraining failed")
    assert "snapshot_history: history.csv" in message.body
