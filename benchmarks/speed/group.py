"""Several processes of one group, not pinned: records a second by what the database says, whoever wrote it.

And who had the cores meanwhile: broker and database want them as well, on one machine.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from benchmarks.speed.rounds import Contestant
from benchmarks.speed.stream import monitor
from latentwatch.alerts.database import open_database
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import LoopFailed

_LOOK_SECONDS = 0.05
_FROM, _UNTIL = 0.2, 0.95
"""Shares of the topic between which the watch runs: everybody has joined, nobody has run dry."""
_PATIENCE_SECONDS = 600.0


def measure_group(settings: Mapping[str, Any], members: Sequence[Contestant]) -> dict[str, Any]:
    """Let the members, which wait for it, score the topic."""
    clock, engine = SystemClock(), open_database(settings["database"])
    store = AlertStore(engine, monitor(settings["variant"]).name, clock)
    for member in members:
        member.ask(1)
    try:
        marks: list[tuple[float, int, float, float]] = []
        deadline = clock.monotonic() + _PATIENCE_SECONDS
        while len(marks) < 2:
            done = sum(store.positions(settings["topic"]).values())
            if done >= (_FROM, _UNTIL)[len(marks)] * settings["records"]:
                scorers = sum(member.processor_seconds for member in members)
                marks.append((clock.monotonic(), done, scorers, _machine_seconds()))
            if clock.monotonic() > deadline or any(member.ended for member in members):
                raise LoopFailed(f"{len(members)} scorers of one group came to {done:,} records only")
            clock.sleep(_LOOK_SECONDS)
    finally:
        engine.dispose()
    elapsed, records, scorers, machine = (last - first for first, last in zip(*marks, strict=True))
    return {
        "processes": len(members),
        "records_per_second": round(records / elapsed, 1),
        "cores_of_scorers": round(scorers / elapsed, 2),
        "cores_of_all": round(machine / elapsed, 2),
    }


def _machine_seconds() -> float:
    """Processor time that anything on the machine has had."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
