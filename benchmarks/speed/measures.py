"""One measure, in a process of its own, pinned to one core: `python -m benchmarks.speed.measures MEASURE SETTINGS`.

Prints one JSON object. Every measure reads the same filled topic from its beginning, as a group of its own.
"""

import json
import os
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import numpy as np
import psutil

from benchmarks.speed.stream import FIELDS, monitor
from domain.clock import SystemClock
from domain.errors import InvalidInput

POLL_RECORDS = 2_000
WARM_RECORDS = 5_000
"""Read before the watch starts: joining the group, first imports, caches."""
CLOCK = SystemClock()


@dataclass(frozen=True)
class Settings:
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


@dataclass
class Watch:
    """Wall and processor time of a stretch of records."""

    records: int = 0
    started: float = 0.0
    cpu: float = 0.0

    def start(self) -> None:
        """Begin."""
        self.started, self.cpu = CLOCK.monotonic(), _cpu_seconds()

    def result(self, records: int, **more: Any) -> dict[str, Any]:
        """The figures."""
        wall, cpu = CLOCK.monotonic() - self.started, _cpu_seconds() - self.cpu
        return {
            "records": records,
            "records_per_second": round(records / wall, 1),
            "cpu_us_per_record": round(cpu / records * 1e6, 3),
            "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            **more,
        }


def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def polls(settings: Settings, max_records: int = POLL_RECORDS) -> Iterator[list[Any]]:
    """The client alone: lists of its records."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        settings.topic,
        bootstrap_servers=settings.servers,
        group_id=f"speed-{uuid4().hex[:8]}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        metrics_enabled=False,
    )
    try:
        while True:
            yield from consumer.poll(timeout_ms=1_000, max_records=max_records).values()
    finally:
        consumer.close(timeout_ms=1_000)


def timed(settings: Settings, work: Callable[[list[Any]], None], max_records: int = POLL_RECORDS) -> dict[str, Any]:
    """Time `work` over every poll's records, after warming up."""
    watch, seen, counted = Watch(), 0, 0
    for records in polls(settings, max_records):
        work(records)
        if watch.started:
            counted += len(records)
        seen += len(records)
        if not watch.started and seen >= WARM_RECORDS:
            watch.start()
        if seen >= settings.records:
            break
    return watch.result(counted)


def poll(settings: Settings) -> dict[str, Any]:
    """(a) The client's bare poll."""
    return timed(settings, lambda records: None)


def decode(settings: Settings) -> dict[str, Any]:
    """(b) Poll and decode to a float32 matrix: as little as a scorer could do."""
    import msgspec

    record = msgspec.defstruct("Reading", [(name, float) for name in FIELDS], gc=False)
    read, values = msgspec.json.Decoder(record).decode, attrgetter(*FIELDS)

    def work(records: list[Any]) -> None:
        decoded = [read(message.value) for message in records]
        flat = chain.from_iterable(map(values, decoded))
        np.fromiter(flat, np.float32, len(records) * len(FIELDS)).reshape(-1, len(FIELDS))

    return timed(settings, work)


def scorer(settings: Settings) -> dict[str, Any]:
    """(c) The whole scorer into a database."""
    watch, stop = Watch(), Event()

    def reach(step: str) -> None:
        if step != "committed":
            return
        if watch.started == 0.0 and built.totals.records >= WARM_RECORDS:
            watch.records = built.totals.records
            watch.start()
        elif built.totals.records >= settings.records - POLL_RECORDS:
            stop.set()

    built = build_scorer(settings, reach)
    totals = built.run(stop)
    stages = {
        sample.labels["stage"]: sample.value
        for family in built.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "latentwatch_stage_seconds_sum"
    }
    return watch.result(
        totals.records - watch.records,
        flagged_share=round(totals.flagged / totals.records, 5),
        records_per_batch=round(totals.records / totals.batches),
        us_by_stage={name: round(seconds / totals.records * 1e6, 3) for name, seconds in stages.items()},
        torch_loaded="torch" in sys.modules,
    )


def build_scorer(settings: Settings, reach: Callable[[Any], None]) -> Any:
    """The scorer as the command line builds it; only the threshold is set, so that the flagged share is known."""
    from alerts.database import migrate, open_database
    from alerts.monitors import register_monitor
    from alerts.registry import ModelRegistry
    from alerts.store import AlertStore
    from detector.bundle import load_bundle
    from domain.model import Judgement
    from streams.columns import TimeBound
    from streams.json_decoding import JsonDecoder
    from streams.kafka_source import KafkaSource
    from streams.scorer import Scorer

    watched = monitor(settings.variant)
    engine = open_database(settings.database)
    migrate(engine)
    register_monitor(engine, watched)
    registry = ModelRegistry(engine, CLOCK)
    if registry.champion(watched.name) is None:
        candidate = registry.register(watched.name, settings.bundle, "speed", 0, None, None, None)
        registry.judge(watched.name, candidate.version, Judgement(True, ("the benchmark's own",)))
    source = KafkaSource(settings.topic, settings.servers, settings.group or f"speed-{uuid4().hex[:8]}", clock=CLOCK)
    source.open()
    return Scorer(
        watched,
        source,
        JsonDecoder(watched.record, TimeBound(CLOCK)),
        AlertStore(engine, watched.name, CLOCK, durable=False),
        registry,
        lambda bundle: AtThreshold(load_bundle(settings.bundles, bundle), settings.threshold),
        clock=CLOCK,
        reach=reach,
    )


def latency(settings: Settings) -> dict[str, Any]:
    """(e) Record in topic to committed row."""
    from benchmarks.speed.latency import create, measure

    create(settings.servers, settings.topic)
    return measure(
        lambda reach: build_scorer(settings, reach), settings.servers, settings.topic, settings.rate, settings.seconds
    )


class AtThreshold:
    """A detector whose threshold is given; everything else is its own."""

    def __init__(self, detector: Any, threshold: float) -> None:
        self._detector = detector
        self._threshold = threshold

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def threshold(self, policy: Any) -> float:
        """The one given."""
        return self._threshold


def user_batch(settings: Settings) -> dict[str, Any]:
    """(d) The loop of the tutorials: json.loads, PyOD's AutoEncoder on batches of 500, flagged rows into SQLite."""
    model, table = _user_model(settings), _user_table()

    def work(records: list[Any]) -> None:
        for start in range(0, len(records), 500):
            rows = [json.loads(record.value) for record in records[start : start + 500]]
            matrix = np.array([[row[name] for name in FIELDS] for row in rows])
            scores = model.decision_function(matrix)
            _keep(
                table,
                [(rows[place]["id"], float(scores[place])) for place in np.flatnonzero(scores > model.threshold_)],
            )

    return timed(settings, work)


def user_record(settings: Settings) -> dict[str, Any]:
    """(d) The same, record by record."""
    model, table = _user_model(settings), _user_table()

    def work(records: list[Any]) -> None:
        for record in records:
            row = json.loads(record.value)
            score = model.decision_function(np.array([[row[name] for name in FIELDS]]))[0]
            if score > model.threshold_:
                _keep(table, [(row["id"], float(score))])

    return timed(settings, work, max_records=100)


def user_trees(settings: Settings) -> dict[str, Any]:
    """(d) river's HalfSpaceTrees, record by record."""
    from river.anomaly import HalfSpaceTrees

    model, table = HalfSpaceTrees(seed=0), _user_table()

    def work(records: list[Any]) -> None:
        for record in records:
            row = json.loads(record.value)
            features = {name: row[name] for name in FIELDS}
            score = model.score_one(features)
            model.learn_one(features)
            if score > 0.99:
                _keep(table, [(row["id"], score)])

    return timed(settings, work, max_records=100)


def _user_model(settings: Settings) -> Any:
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    from benchmarks.speed.stream import readings

    torch.set_num_threads(1)
    model = AutoEncoder(epoch_num=2, contamination=0.01, verbose=0, random_state=0)
    model.fit(readings(3_000, seed=0))
    return model


def _user_table() -> sqlite3.Connection:
    connection = sqlite3.connect(Path(tempfile.mkdtemp(prefix="speed-user-")) / "alerts.db")
    connection.execute("CREATE TABLE alerts (id TEXT, score REAL)")
    return connection


def _keep(connection: sqlite3.Connection, rows: list[tuple[str, float]]) -> None:
    connection.executemany("INSERT INTO alerts VALUES (?, ?)", rows)
    connection.commit()


def prepare(settings: Settings) -> dict[str, Any]:
    """Train the variants, and find the thresholds that flag one record in a hundred and one in a thousand."""
    from benchmarks.speed.stream import START_SECONDS, history, readings
    from detector.bundle import save_bundle
    from detector.training import train
    from domain.record import batch_from_columns
    from streams.context_store import ContextStore

    found: dict[str, Any] = {}
    for variant in ("light", "default"):
        watched = monitor(variant)
        trained = train(history(settings.records), watched).detector
        count = 16_000
        values = readings(count, seed=7)
        sample = batch_from_columns(
            watched.record,
            {name: values[:, column] for column, name in enumerate(FIELDS)},
            entities=[f"rig-{place % 8}" for place in range(count)],
            times=(START_SECONDS + np.arange(count) // 8) * 1_000_000,
        )
        surprise = trained.score(sample, ContextStore(trained.context).extend(sample)).surprise[count // 4 :]
        found[variant] = {
            "bundle": save_bundle(trained, settings.bundles),
            "detector": type(trained).__name__,
            "thresholds": {"1%": float(np.quantile(surprise, 0.99)), "0.1%": float(np.quantile(surprise, 0.999))},
        }
    return found


MEASURES = {
    each.__name__: each for each in (poll, decode, scorer, user_batch, user_record, user_trees, latency, prepare)
}


def main() -> None:
    """Run one measure."""
    name, settings = sys.argv[1], Settings(**json.loads(sys.argv[2]))
    if name not in MEASURES:
        raise InvalidInput(f"no measure {name!r}; choose one of {', '.join(MEASURES)}")
    if settings.core is not None:
        os.sched_setaffinity(0, {settings.core})
    sys.stdout.write("\n" + json.dumps(MEASURES[name](settings)) + "\n")


if __name__ == "__main__":
    main()
