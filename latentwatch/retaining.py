"""Retention: old rows leave the database, one bounded transaction after another, and old runs the work folder."""

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

from latentwatch.alerts.retention import Ages, prune
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.durations import parse_duration
from latentwatch.domain.errors import InvalidInput
from latentwatch.run_folders import delete_old_runs
from latentwatch.settings import load_settings
from latentwatch.wiring import ready_database

_RUNS = "runs"
_AGE_OF_RUNS = timedelta(days=14)
"""Long enough to take a failed run up again."""


def delete_expired(changes: dict[str, str] | None = None) -> dict[str, int]:
    """Delete what is older than its age; how many rows of each table went, and how many retraining `runs`.

    `changes` overrule ages, such as trace: 2d. Raises InvalidInput for one that is none.
    """
    changes = dict(changes or {})
    known = {field.name for field in fields(Ages)} | {_RUNS}
    strangers = sorted(set(changes) - known)
    if strangers:
        raise InvalidInput(f"no such kind of row: {', '.join(strangers)}; choose from {', '.join(sorted(known))}")
    runs = _age(_RUNS, changes.pop(_RUNS)) if _RUNS in changes else _AGE_OF_RUNS
    if runs < timedelta(days=1):
        raise InvalidInput(f"--keep {_RUNS}: a run may take hours; give a day or more, such as {_RUNS}=2d")
    ages = Ages(**{name: _age(name, text) for name, text in changes.items()})
    settings, now = load_settings(), SystemClock().now()
    deleted = prune(ready_database(settings), ages, now)
    return deleted | {_RUNS: delete_old_runs(Path(settings.work), runs, now)}


def _age(name: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"--keep {name}={text}: {error}") from None
