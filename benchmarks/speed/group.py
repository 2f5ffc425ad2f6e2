"""Several processes of one group, not pinned: records a second by what the database says, whoever wrote it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from alerts.database import migrate, open_database
from alerts.store import AlertStore
from benchmarks.speed.rounds import THREADS
from benchmarks.speed.stream import monitor
from domain.clock import SystemClock
from domain.errors import LoopFailed

_LOOK_SECONDS = 0.05
_FROM, _UNTIL = 0.2, 0.95
"""Shares of the topic between which the watch runs: everybody has joined, nobody has run dry."""
_PATIENCE_SECONDS = 600.0


def measure_group(settings: Mapping[str, Any], processes: int, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run so many scorers over the topic."""
    clock, engine = SystemClock(), open_database(settings["database"])
    migrate(engine)
    store = AlertStore(engine, monitor(settings["variant"]).name, clock)
    command = [sys.executable, "-m", "benchmarks.speed.measures", "drain"]
    given = json.dumps({**settings, "group": f"speed-group-{processes}", "core": None})
    members = [
        subprocess.Popen([*command, given], env={**environment, **THREADS}, stdout=subprocess.DEVNULL)
        for _ in range(processes)
    ]
    try:
        marks: list[tuple[float, int]] = []
        deadline = clock.monotonic() + _PATIENCE_SECONDS
        while len(marks) < 2:
            done = sum(store.positions(settings["topic"]).values())
            if done >= (_FROM, _UNTIL)[len(marks)] * settings["records"]:
                marks.append((clock.monotonic(), done))
            if clock.monotonic() > deadline or any(member.poll() is not None for member in members):
                raise LoopFailed(f"{processes} scorers of one group came to {done:,} records only")
            clock.sleep(_LOOK_SECONDS)
    finally:
        for member in members:
            member.kill()
            member.wait()
        engine.dispose()
    (began, first), (ended, last) = marks
    return {"processes": processes, "records_per_second": round((last - first) / (ended - began), 1)}
