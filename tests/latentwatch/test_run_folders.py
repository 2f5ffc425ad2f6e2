"""The folders of retraining runs: the newest judged ones stay, the others go by their age, and nothing else is touched."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.retaining import delete_expired
from latentwatch.run_folders import JUDGED, RunFolder, delete_judged_runs, delete_old_runs


def run(path: Path, *, hours_ago: float, judged: bool) -> Path:
    """A run's folder as it stood so many hours ago."""
    folder = RunFolder(path)
    folder.note("snapshot", {"records": 1})
    folder.history.write_text("rows")
    folder.monitor_file.write_text("name: pump")
    (path / "a-model").mkdir()
    (path / "a-model" / "weights").write_text("numbers")
    if judged:
        folder.note(JUDGED, {})
    moment = SystemClock().now().timestamp() - 3600 * hours_ago
    for each in path.rglob("*"):
        os.utime(each, (moment, moment))
    return path


def names(path: Path) -> list[str]:
    """What is in a folder."""
    return sorted(each.name for each in path.iterdir())


def test_the_newest_judged_runs_stay(tmp_path: Path) -> None:
    """Older judged ones go with all they hold; a run that was not judged is not counted and not touched."""
    for number in range(4):
        run(tmp_path / f"run-{number}", hours_ago=4 - number, judged=True)
    run(tmp_path / "failed", hours_ago=99, judged=False)
    delete_judged_runs(tmp_path, 2)
    assert names(tmp_path) == ["failed", "run-2", "run-3"]


def test_old_runs_go_whatever_became_of_them(tmp_path: Path) -> None:
    """By when something was last written in them; what is not a run's is left alone, however old."""
    pump = tmp_path / "pump"
    run(pump / "failed", hours_ago=400, judged=False)
    run(pump / "judged", hours_ago=400, judged=True)
    run(pump / "under-way", hours_ago=1, judged=False)
    (pump / "notes").mkdir()
    (pump / "notes" / "mine.txt").write_text("keep")
    os.utime(pump / "notes" / "mine.txt", (0, 0))
    assert delete_old_runs(tmp_path, timedelta(days=14), SystemClock().now()) == 2
    assert names(pump) == ["notes", "under-way"]
    assert delete_old_runs(tmp_path / "nowhere", timedelta(days=14), SystemClock().now()) == 0


def test_retention_takes_old_runs_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an age of its own, which is never shorter than a run may take."""
    monkeypatch.chdir(tmp_path)
    run(tmp_path / ".latentwatch" / "pump" / "failed", hours_ago=50, judged=False)
    with pytest.raises(InvalidInput, match="give a day or more"):
        delete_expired({"runs": "1h"})
    assert delete_expired()["runs"] == 0
    assert delete_expired({"runs": "2d"})["runs"] == 1
