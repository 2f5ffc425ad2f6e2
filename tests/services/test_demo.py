"""The demo unattended, as a script runs it: its last line is one JSON object, and the loop worked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(1800)
def test_the_demo_shows_the_whole_loop(tmp_path: Path):
    """Records are scored, broken ones kept, faults found, two models promoted, and every message is accounted for."""
    done = subprocess.run(
        [sys.executable, "-m", "latentwatch", "demo", "--for", "20s", "--no-browser", "--json", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1700,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout.splitlines()[-1])
    assert set(report) == {
        "records",
        "dead_letters",
        "alerts",
        "faults_planted",
        "faults_found",
        "false_alarms",
        "promised_false_alarms",
        "models_promoted",
        "address",
    }
    assert report["records"] > 5_000
    assert report["dead_letters"] > 0
    assert report["models_promoted"] == 2
    assert report["faults_found"] >= report["faults_planted"] / 4
    assert report["false_alarms"] <= 2 * report["promised_false_alarms"]
    assert report["address"].startswith("http://127.0.0.1:")
