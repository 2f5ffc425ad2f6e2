"""Measures side by side: every one a process of its own on the same core, one at a time, a slice each, round after round.

So whatever else the machine does meanwhile slows neighbours alike, and a ratio is the median of the rounds' ratios.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from statistics import median
from types import TracebackType
from typing import Any, Self

import psutil

from latentwatch.domain.errors import LoopFailed

Figures = dict[str, Any]
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Contestant:
    """A measure's process, which waits for its turns."""

    def __init__(self, measure: str, settings: Mapping[str, Any], share: float = 1.0) -> None:
        """`share` of a slice's records are its own: slow ones get fewer."""
        self.share = share
        self._measure = measure
        self.slices: list[Figures] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed.measures", measure, json.dumps(dict(settings))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if measure.startswith("user") else None,
            text=True,
            env={**os.environ, **THREADS, "PYTHONWARNINGS": "ignore"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Kill the process, if it is still there."""
        self._process.kill()
        self._process.wait()

    def ask(self, records: int) -> None:
        """Let it begin, with some records; `answer` waits for the end."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{max(1, round(records * self.share))}\n")
        self._process.stdin.flush()

    def answer(self) -> Figures:
        """What the slice came to."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries print too
                found: Figures = json.loads(line)
                return found
        raise LoopFailed(f"measure {self._measure} ended with code {self._process.wait()} instead of an answer")

    @property
    def processor_seconds(self) -> float:
        """What its process has used so far, all threads. Raises LoopFailed when it is gone."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.NoSuchProcess:
            raise LoopFailed(f"measure {self._measure} ended before its time") from None
        return float(times.user + times.system)

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._process.poll() is not None

    def run(self, records: int) -> None:
        """One slice."""
        self.ask(records)
        self.slices.append(self.answer())

    def figures(self) -> Figures:
        """All slices together."""
        records = sum(each["records"] for each in self.slices)
        wall, cpu = (sum(each[name] for each in self.slices) for name in ("wall_seconds", "cpu_seconds"))
        found: Figures = {
            "records": records,
            "records_per_second": round(records / wall, 1),
            "cpu_us_per_record": round(cpu / records * 1e6, 3),
            "rss_mb": self.slices[-1]["rss_mb"],
        }
        if "stages" in self.slices[0]:
            names = self.slices[0]["stages"]
            stages = {name: sum(each["stages"].get(name, 0.0) for each in self.slices) for name in names}
            found |= {
                "flagged_share": round(sum(each["flagged"] for each in self.slices) / records, 5),
                "records_per_batch": round(records / max(1, sum(each["batches"] for each in self.slices))),
                "rss_mb_at_first": self.slices[0]["rss_mb"],
                "torch_loaded": self.slices[-1]["torch_loaded"],
                "cpu_us_by_stage": {name: round(seconds / records * 1e6, 3) for name, seconds in stages.items()}
                | {"client and rest": round((cpu - sum(stages.values())) / records * 1e6, 3)},
            }
        return found

    def ratio(self, other: "Contestant", cost: str = "wall_seconds") -> float:
        """How many records it does while the other does one: median over rounds, by wall or by processor time."""
        ratios = [
            (mine["records"] / mine[cost]) / (theirs["records"] / theirs[cost])
            for mine, theirs in zip(self.slices, other.slices, strict=True)
        ]
        return round(float(median(ratios)), 3)


def take_turns(contestants: Mapping[str, Contestant], rounds: int, records: int, warm: int) -> None:
    """Warm everybody up at once, then let each work through a slice in every round, alone."""
    for each in contestants.values():
        each.ask(warm)
    for each in contestants.values():
        each.answer()
    for _ in range(rounds):
        for each in contestants.values():
            each.run(records)
