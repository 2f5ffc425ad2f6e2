"""The folder of a retraining run: what travels between its steps, and when it goes.

A million rows of history are some 200 MB a run. A run that was judged is needed no more: the newest few stay, to be looked
at. One that never got there may be taken up again, and goes by its age.
"""

import json
import os
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.domain.private_files import make_private_folder
from latentwatch.settings import Settings

JUDGED = "promoted"
"""The note that a run's last step leaves, whether its model was let in or held."""
_MARKS = ("history.part", "history.parquet", "monitor.yaml")
"""What a run writes first, and what is deleted of it last: a folder with none of them is not a run's, and is left alone."""

log = structlog.get_logger(__name__)


class RunFolder:
    """The folder in which one run keeps what travels between its steps; safe to come back to."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def monitor_file(self) -> Path:
        """The monitor as it was when the run began, so that an edit midway cannot mix two."""
        return self.path / "monitor.yaml"

    @property
    def history(self) -> Path:
        """The records of this run, frozen when it began."""
        return self.path / "history.parquet"

    @property
    def clean(self) -> Path:
        """The history without incidents."""
        return self.path / "clean.parquet"

    @property
    def fit(self) -> Path:
        """The oldest part of the clean history, which the model is fitted on."""
        return self.path / "fit.parquet"

    @property
    def calibration(self) -> Path:
        """What follows it, which the model is calibrated on; empty where the fit set calibrates itself."""
        return self.path / "calibration.parquet"

    @property
    def holdout(self) -> Path:
        """The newest part of the clean history, which nothing is fitted or calibrated on."""
        return self.path / "holdout.parquet"

    def monitor(self) -> Monitor:
        """The monitor in `monitor_file`. Raises InvalidMonitor."""
        return load_monitor(self.monitor_file)

    def note(self, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Keep a step's facts, whole or not at all, and return them."""
        make_private_folder(self.path)
        unfinished = self.path / f"{name}.part"
        unfinished.write_text(json.dumps(facts), encoding="utf-8")
        os.replace(unfinished, self.path / f"{name}.json")
        return facts

    def noted(self, name: str) -> dict[str, Any] | None:
        """A step's facts, or None where it has not been done in this run."""
        try:
            facts: dict[str, Any] = json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return facts

    def need(self, name: str) -> dict[str, Any]:
        """A step's facts. Raises InvalidInput where it has not been done."""
        facts = self.noted(name)
        if facts is None:
            raise InvalidInput(f"{self.path}: the step '{name}' of this run has not been done; run the steps in order")
        return facts


def run_folder(settings: Settings, monitor: Monitor, run_id: str) -> RunFolder:
    """Where a run of a monitor keeps its files."""
    return RunFolder(Path(settings.work) / monitor.name / re.sub(r"[^A-Za-z0-9_.-]+", "-", run_id).strip("-."))


def delete_judged_runs(runs: Path, keep: int) -> None:
    """Delete the folders of a monitor's judged runs, all but the newest `keep` of them; what cannot be deleted is said."""
    judged: list[tuple[float, Path]] = []
    for folder in _folders(runs):
        try:
            judged.append(((folder / f"{JUDGED}.json").stat().st_mtime, folder))
        except OSError:
            continue  # not judged yet, or another process deletes it just now
    for _, folder in sorted(judged, reverse=True)[keep:]:
        _delete(folder)


def delete_old_runs(work: Path, age: timedelta, now: datetime) -> int:
    """Delete the folders of runs, judged or not, in which nothing has been written for longer than `age`; how many."""
    deleted = 0
    for runs in _folders(work):
        for folder in _folders(runs):
            if any((folder / mark).exists() for mark in _MARKS) and _last_written(folder) < (now - age).timestamp():
                deleted += _delete(folder)
    return deleted


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.is_symlink()) if path.is_dir() else []


def _last_written(folder: Path) -> float:
    return max((each.stat().st_mtime for each in folder.rglob("*")), default=0.0)


def _delete(folder: Path) -> bool:
    """Delete a run's folder, its marks last, so that a deletion that was cut short is taken up by the next."""
    try:
        for each in sorted(folder.iterdir(), key=lambda each: each.name in _MARKS):
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink(missing_ok=True)
        folder.rmdir()
    except OSError as error:
        log.warning("a run's folder could not be deleted", folder=str(folder), reason=str(error))
        return False
    return True
