"""The DAG files as Airflow parses them: in an empty environment, cheaply, and whole even beside a broken monitor."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

_DAGS = Path(__file__).resolve().parents[2] / "dags"
_PARSE = """
import json, sys
before = set(sys.modules)
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("RESULT" + json.dumps({
    "dags": {name: sorted(dag.task_ids) for name, dag in bag.dags.items()},
    "schedules": {name: str(dag.schedule) for name, dag in bag.dags.items()},
    "errors": {path.rsplit("/", 1)[-1]: error for path, error in bag.import_errors.items()},
    "modules": sorted(name for name in sys.modules if name.split(".")[0] in ("torch", "pandas", "numpy", "mlflow")
                      or name.startswith("latentwatch.") and name.split(".")[1] not in ("dags", "domain")),
}))
"""
_FAIL = """
from latentwatch.dags.task_failures import retried_where_it_helps
from latentwatch.domain.errors import InvalidHistory, Unavailable
for error in (InvalidHistory("x.csv is not there"), ModuleNotFoundError("No module named 'torch'"), Unavailable("away"),
              RuntimeError("a defect")):
    try:
        with retried_where_it_helps():
            raise error
    except Exception as raised:
        print("RESULT", type(raised).__name__, raised)
"""
_GOOD = "name: {name}\nsource: {{file: {{path: x.csv}}}}\nrecord: {{features: {{a: numeric}}}}\n"
_STEPS = [
    "calibrate_candidate",
    "evaluate_candidate",
    "fit_candidate",
    "judge_candidate",
    "leave_out_incidents",
    "promote_candidate",
    "snapshot_history",
    "stop_if_nothing_is_new",
]


@pytest.fixture
def parse(tmp_path: Path):
    """Parse the DAG files in a process of their own, with these monitor files and nothing else set."""

    def run(**monitors: str) -> dict[str, Any]:
        folder = tmp_path / "monitors"
        folder.mkdir()
        for name, text in monitors.items():
            (folder / f"{name}.yaml").write_text(text)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LATENTWATCH_", "AIRFLOW_"))}
        environment = kept | {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        if monitors:
            environment["LATENTWATCH_MONITORS"] = str(folder)
        done = subprocess.run(
            [sys.executable, "-c", _PARSE, str(_DAGS)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout.rpartition("RESULT")[2])
        return found

    return run


def test_an_empty_environment_has_the_retention_dag_alone(parse):
    """Without a monitor folder there is nothing to retrain, and nothing to complain of."""
    found = parse()
    assert found["dags"] == {"retention": ["delete_expired", "place_incidents"]}
    assert found["errors"] == {}


def test_every_monitor_file_gives_a_dag_and_a_broken_one_harms_no_other(parse):
    """Good monitors have their DAG; broken ones are import errors with file, line and reason; nothing heavy is imported."""
    found = parse(
        pump=_GOOD.format(name="pump") + 'retrain: {schedule: "0 4 * * *"}\n',
        hand=_GOOD.format(name="by-hand") + "retrain: {schedule: never}\n",
        broken="name: valve\nsource: {}\n",
        odd=_GOOD.format(name="odd") + "retrain: {schedule: every full moon}\n",
        twin_a=_GOOD.format(name="twin"),
        twin_b=_GOOD.format(name="twin"),
    )
    assert found["dags"] == {
        "retention": ["delete_expired", "place_incidents"],
        "retrain_pump": _STEPS,
        "retrain_by-hand": _STEPS,
    }
    assert found["schedules"]["retrain_pump"] == "0 4 * * *"
    assert found["schedules"]["retrain_by-hand"] == "None"
    assert set(found["errors"]) == {"refused_monitors_dag.py"}
    complaint = found["errors"]["refused_monitors_dag.py"]
    assert "broken.yaml:2: source: give exactly one of 'kafka' and 'file'" in complaint
    assert "odd.yaml: retrain.schedule: 'every full moon'" in complaint
    assert complaint.count("another file has the name 'twin' too") == 2
    assert found["modules"] == []


def test_only_what_waiting_may_heal_is_tried_again(tmp_path: Path):
    """A missing history or package fails the task for good; a service that is away, and a defect, are tried again."""
    done = subprocess.run(
        [sys.executable, "-c", _FAIL],
        cwd=tmp_path,
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow")},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT")] == [
        "AirflowFailException x.csv is not there",
        "AirflowFailException No module named 'torch'",
        "Unavailable away",
        "RuntimeError a defect",
    ]
