"""Training logs its run to a real MLflow server when an address is set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.test_retraining_dag import write_history

pytestmark = pytest.mark.long

_LIST = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
(run,) = mlflow.search_runs(experiment_names=["latentwatch-tracked"], output_format="list")
files = sorted(file.path for file in mlflow.artifacts.list_artifacts(run_id=run.info.run_id))
assert files == ["bundle", "monitor.yaml", "recall_by_fault.svg"], files
assert {"promised_rate", "realised_rate", "recall"} <= set(run.data.metrics), run.data.metrics
assert run.data.params["kind"] == "linear", run.data.params
assert run.data.tags["status"] == "champion", run.data.tags
"""
_MONITOR = """\
name: tracked
source: {file: {path: history.csv}}
record: {time: at, features: {a: numeric, b: numeric, c: numeric}}
model: {kind: linear, effort: light}
window: 1
alert: {false_alarm_rate: 0.01}
"""


@pytest.mark.timeout(900)
def test_a_training_run_is_in_mlflow(tmp_path: Path, mlflow_address: str):
    """Parameters, metrics, the recall plot, the monitor and the bundle; a server or a store that is away costs the log alone."""
    (tmp_path / "monitor.yaml").write_text(_MONITOR)
    write_history(tmp_path / "history.csv", 400)

    def train(address: str) -> str:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "latentwatch",
                "train",
                "monitor.yaml",
                "--history",
                "history.csv",
                "--anyway",
                "--json",
            ],
            cwd=tmp_path,
            env={**os.environ, "LATENTWATCH_MLFLOW": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["monitor"] == "tracked"  # and nothing of MLflow's
        return done.stdout + done.stderr

    train(mlflow_address)
    subprocess.run([sys.executable, "-c", _LIST, mlflow_address], timeout=300, check=True)
    write_history(tmp_path / "history.csv", 420)
    for away in ("http://127.0.0.1:1", "postgresql+psycopg://u:p@127.0.0.1:1/mlflow"):
        assert "run not logged to MLflow" in train(away)
