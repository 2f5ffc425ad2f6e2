"""A scorer as a process: `python -m tests.faults.worker SETTINGS`. Ends cleanly on SIGTERM, or dies where it is told to."""

import json
import os
import signal
import sys
from threading import Event
from types import FrameType
from typing import Any

from alerts.database import open_database
from alerts.registry import ModelRegistry
from alerts.store import AlertStore
from domain.clock import SystemClock
from domain.errors import BundleRefused, LatentwatchError
from streams.columns import TimeBound
from streams.failpoints import Step
from streams.json_decoding import JsonDecoder
from streams.kafka_source import KafkaSource
from streams.pace import Pace
from streams.scorer import Scorer
from streams.testing import FakeDetector
from streams.waiting import wait_for
from tests.faults.workload import detector, monitor

LISTENING = "listening to signals"
"""What a scorer says once it can be asked to end; before, the signal would end it like any program."""


def load(bundle: str) -> FakeDetector:
    """The fake detector of a bundle; `corrupt` cannot be loaded."""
    if bundle == "corrupt":
        raise BundleRefused("bundle corrupt: its weights do not have the hash they should have; train again")
    return detector(bundle)


def main() -> None:
    """Score until told to stop."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    stop, clock = Event(), SystemClock()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    print(LISTENING, flush=True)
    watched = monitor(settings["topic"])
    source = KafkaSource(
        settings["topic"],
        settings["servers"],
        watched.group,
        assignor=settings.get("assignor", "cooperative"),
        clock=clock,
        options={"session_timeout_ms": 6_000, "heartbeat_interval_ms": 500, **settings.get("options", {})},
    )
    engine = open_database(settings["database"])
    left = settings.get("at", 0)

    def reach(step: Step) -> None:
        nonlocal left
        if step == settings.get("die"):
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        if settings.get("slow"):
            clock.sleep(settings["slow"])

    scorer = Scorer(
        watched,
        source,
        JsonDecoder(watched.record, TimeBound(clock)),
        AlertStore(engine, watched.name, clock, durable=False),
        ModelRegistry(engine, clock),
        load,
        clock=clock,
        pace=Pace(settings.get("records", 100), settings.get("records", 100)),
        snapshot_seconds=settings.get("snapshot_seconds", 1.0),
        reach=reach,
    )
    try:
        wait_for(source.open, clock, stop)
        scorer.run(stop)
    except LatentwatchError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
