"""What a scorer's process does. It ends cleanly on SIGTERM.

Settings name a step of the loop where, the `at`-th time, it is to die (killing itself), to freeze (stopping itself,
heartbeats too, until SIGCONT), or to be held up (only its loop, until the file `until` exists). `die_writing_chunk` is
the chunk of a context, counted from its start, that it begins to write and dies. With a `registry` the messages are Avro,
with `readings` in long form.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event
from types import FrameType
from typing import Any

from sqlalchemy import event

from latentwatch.alerts.database import open_database
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import BundleChanged, LatentwatchError, TopicRecreated
from latentwatch.streams.batch_size import BatchSize
from latentwatch.streams.context.context_blob import CHUNK_BYTES
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.formats import decoder_for
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.failpoints import Step
from latentwatch.streams.kafka.confluent_source import ConfluentSource
from latentwatch.streams.kafka.kafka_source import KafkaSource
from latentwatch.streams.ports import Source
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.testing import FakeDetector
from latentwatch.streams.waiting import wait_for
from tests.faults import readings
from tests.faults.workload import FLAT, detector, monitor

LISTENING = "listening to signals"
"""What a scorer says once it can be asked to end; before, the signal would end it like any program."""
HELD = "held up"
"""What it says when it waits in a step, its heartbeats going on."""


def load(bundle: str, features: str) -> FakeDetector:
    """The fake detector of a bundle, for a monitor's features; `corrupt` cannot be loaded."""
    if bundle == "corrupt":
        raise BundleChanged("bundle corrupt: its weights do not have the hash they should have; train again")
    return detector(bundle, features)


def dying_before_chunk(number: int) -> Callable[..., None]:
    """Listens to statements and kills the process where it would write its so-many-th chunk."""
    left = number

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal left
        if statement.startswith("INSERT INTO context_chunks"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hear


def main(settings: dict[str, Any]) -> None:
    """Score until told to stop."""
    stop, clock = Event(), SystemClock()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    print(LISTENING, flush=True)
    features = settings.get("features", FLAT)
    watched = monitor(
        settings["topic"],
        settings.get("on_gap", "stop"),
        settings.get("on_recreated", "stop"),
        settings.get("group", ""),
        features,
    )
    if settings.get("readings"):
        watched = readings.monitor(settings["topic"])
    engine = open_database(settings["database"], answer_seconds=settings.get("answer_seconds", 60.0))
    if "lock_wait_ms" in settings:
        hurry = f"PRAGMA busy_timeout = {settings['lock_wait_ms']}"
        event.listen(engine, "connect", lambda connection, _: connection.execute(hurry))
    if "die_writing_chunk" in settings:
        event.listen(engine, "before_cursor_execute", dying_before_chunk(settings["die_writing_chunk"]))
    registry = RegistryAccess(settings["registry"]) if "registry" in settings else None
    format_ = "avro" if registry else "json"
    left = settings.get("at", 1)

    def reach(step: Step) -> None:
        nonlocal left
        if step in (settings.get("die"), settings.get("freeze"), settings.get("hold")):
            left -= 1
            if left == 0:
                accident()
        if settings.get("slow"):
            clock.sleep(settings["slow"])

    def accident() -> None:
        if "die" in settings:
            os.kill(os.getpid(), signal.SIGKILL)
        elif "freeze" in settings:
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            print(HELD, flush=True)
            while not os.path.exists(settings["until"]):
                clock.sleep(0.02)

    try:
        while True:
            source = source_of(settings, watched.group, clock)
            scorer = Scorer(
                watched,
                source,
                lambda schema: decoder_for(schema, format_, bound=TimeBound(clock), registry=registry),
                AlertStore(engine, watched.name, clock, durable=False),
                ModelRegistry(engine, clock),
                readings.detector if settings.get("readings") else partial(load, features=features),
                clock=clock,
                pace=BatchSize(settings.get("records", 100), settings.get("records", 100)),
                snapshot_seconds=settings.get("snapshot_seconds", 1.0),
                chunk_bytes=settings.get("chunk_bytes", CHUNK_BYTES),
                reach=reach,
            )
            wait_for(source.open, clock, stop)
            with suppress(TopicRecreated):
                scorer.run(stop)
                return
    except LatentwatchError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(error.exit_code) from None


def source_of(settings: dict[str, Any], group: str, clock: Clock) -> Source:
    """A member of the group, by the client that the settings name."""
    if settings.get("client") == "confluent":
        hasty = {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500, **settings.get("options", {})}
        return ConfluentSource(settings["topic"], settings["servers"], group, clock=clock, properties=hasty)
    return KafkaSource(
        settings["topic"],
        settings["servers"],
        group,
        assignor=settings.get("assignor", "cooperative"),
        clock=clock,
        options={"session_timeout_ms": 6_000, "heartbeat_interval_ms": 500, **settings.get("options", {})},
    )
