"""What measures share: settings, the watch, and the shape of a step."""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import psutil

from latentwatch.domain.clock import SystemClock

POLL_RECORDS = 2_000
FETCHED_RECORDS = 13_000
"""What a client with a scorer's fetch sizes holds at most: 1 MB of each of four partitions."""
WARM_RECORDS = 5_000
"""Read before the watch starts: joining the group, first imports, caches."""
CLOCK = SystemClock()


@dataclass(frozen=True)
class RunSettings:
    """What a measure needs to know."""

    servers: str
    topic: str
    records: int
    bundles: str = ""
    bundle: str = ""
    variant: str = "default"
    database: str = ""
    threshold: float = 3.0
    group: str = ""
    rate: int = 5_000
    seconds: float = 5.0
    core: int | None = None
    client: Literal["kafka-python", "confluent"] = "kafka-python"


@dataclass
class Watch:
    """Wall and processor time of a stretch of records."""

    records: int = 0
    started: float = 0.0
    cpu: float = 0.0

    def start(self) -> None:
        """Begin."""
        self.started, self.cpu = CLOCK.monotonic(), cpu_seconds()

    def result(self, records: int, **more: Any) -> dict[str, Any]:
        """The figures."""
        wall, cpu = CLOCK.monotonic() - self.started, cpu_seconds() - self.cpu
        return {
            "records": records,
            "records_per_second": round(records / wall, 1),
            "cpu_us_per_record": round(cpu / records * 1e6, 3),
            "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            **more,
        }


Step: TypeAlias = Callable[[int], dict[str, Any]]
"""Works through at least so many records; returns how many they were, and what else it has to say."""


def cpu_seconds() -> float:
    """Processor time of all threads so far."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
