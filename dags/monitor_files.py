"""The monitor files that the DAGs are built from: read one by one, so that a broken one harms no other.

Imports nothing but the standard library at the top: Airflow parses DAG files every few seconds, and what they import
it pays for each time.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

MONITORS_VARIABLE = "LATENTWATCH_MONITORS"


@dataclass(frozen=True, slots=True)
class Planned:
    """What a DAG needs to know of a monitor when it is parsed."""

    name: str
    file: str
    schedule: str | None


def monitor_folder() -> Path:
    """The folder of the monitor files."""
    return Path(os.environ.get(MONITORS_VARIABLE, "monitors"))


def read_monitor_files() -> tuple[list[Planned], list[str]]:
    """What could be read, by name, and one sentence for each file that could not.

    Two files with the same monitor name are refused both, since nobody can say which of them is meant.
    """
    from latentwatch.domain.errors import InvalidMonitor
    from latentwatch.domain.monitor import load_monitor

    planned: list[Planned] = []
    problems: list[str] = []
    folder = monitor_folder()
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            monitor = load_monitor(path)
        except InvalidMonitor as error:
            problems.append(str(error))
            continue
        schedule = None if monitor.retrain.schedule in ("never", "none") else monitor.retrain.schedule
        refusal = _refusal(schedule)
        if refusal:
            problems.append(
                f"{path}: retrain.schedule: {schedule!r} is no schedule ({refusal}); "
                "write a cron expression such as '0 4 * * *', a preset such as @daily, or never"
            )
            continue
        planned.append(Planned(monitor.name, str(path), schedule))
    names = [monitor.name for monitor in planned]
    doubled = {name for name in names if names.count(name) > 1}
    problems += [
        f"{monitor.file}: another file has the name {monitor.name!r} too"
        for monitor in planned
        if monitor.name in doubled
    ]
    return sorted(
        (monitor for monitor in planned if monitor.name not in doubled), key=lambda monitor: monitor.name
    ), problems


def _refusal(schedule: str | None) -> str | None:
    """Why Airflow would not take a schedule; None where it does."""
    from airflow.sdk import DAG
    from airflow.sdk.exceptions import AirflowTimetableInvalid

    try:
        DAG("schedule_check", schedule=schedule, start_date=datetime(2024, 1, 1)).validate()
    except (ValueError, AirflowTimetableInvalid) as error:
        return str(error)
    return None
