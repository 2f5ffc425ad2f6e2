"""One measure, in a process of its own, pinned to one core: `python -m benchmarks.speed.measures MEASURE SETTINGS`.

Every measure reads the same filled topic from its beginning, as a group of its own. One that takes part in rounds reads a
number from each line of standard input, works through as many records and prints one JSON object; the others print one,
those that need a quiet machine once they have read a line.
"""

import json
import logging
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
import structlog

from benchmarks.speed.stream import FIELDS, monitor
from benchmarks.speed.timing import CLOCK, FETCHED_RECORDS, POLL_RECORDS, RunSettings, Step, cpu_seconds
from latentwatch.domain.errors import InvalidInput


def rss_mb() -> float:
    """Memory that the process has in hand now."""
    return round(psutil.Process().memory_info().rss / 2**20, 1)


def serve(step: Step, core: int | None) -> None:
    """Take steps as they are asked for, each timed: wall time, and processor time of all threads.

    The first one warms up, beside others; before the second every thread goes to `core`. What the client fetched on
    nobody's time, while others had their turns, is worked through before the watch starts.
    """
    for number, line in enumerate(sys.stdin):
        if number == 1 and core is not None:
            for thread in Path("/proc/self/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})
        count = int(line)
        if number:
            step(min(count, FETCHED_RECORDS))
        wall, cpu = CLOCK.monotonic(), cpu_seconds()
        found = step(count)
        timed = {"wall_seconds": CLOCK.monotonic() - wall, "cpu_seconds": cpu_seconds() - cpu}
        sys.stdout.write(json.dumps({**found, **timed, "rss_mb": rss_mb()}) + "\n")
        sys.stdout.flush()


def reading(settings: RunSettings, work: Callable[[list[Any]], None], max_records: int = POLL_RECORDS) -> Step:
    """A step that polls kafka-python as users do, and does `work` with each partition's records."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        settings.topic,
        bootstrap_servers=settings.servers,
        group_id=f"speed-{uuid4().hex[:8]}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        # As a scorer's: what lies in the client's memory when a slice begins was fetched on nobody's time.
        max_partition_fetch_bytes=1 << 20,
        fetch_max_bytes=8 << 20,
        metrics_enabled=False,
    )

    def step(count: int) -> dict[str, Any]:
        done = 0
        while done < count:
            for records in consumer.poll(timeout_ms=1_000, max_records=max_records).values():
                work(records)
                done += len(records)
        return {"records": done}

    return step


def poll(settings: RunSettings) -> Step:
    """(a) The client's bare poll."""
    return reading(settings, lambda records: None)


def decode(settings: RunSettings) -> Step:
    """(b) Poll and decode to a float32 matrix: as little as a scorer could do."""
    import msgspec

    record = msgspec.defstruct("Reading", [(name, float) for name in FIELDS], gc=False)
    read, values = msgspec.json.Decoder(record).decode, attrgetter(*FIELDS)

    def work(records: list[Any]) -> None:
        decoded = [read(message.value) for message in records]
        flat = chain.from_iterable(map(values, decoded))
        np.fromiter(flat, np.float32, len(records) * len(FIELDS)).reshape(-1, len(FIELDS))

    return reading(settings, work)


def scorer(settings: RunSettings) -> Step:
    """(c) The whole scorer into a database."""
    from benchmarks.speed.scorers import stepwise

    return stepwise(settings)


def drain(settings: RunSettings) -> dict[str, Any]:
    """(g) A scorer of the group, from when it is told to begin until it is killed."""
    from threading import Event

    from benchmarks.speed.scorers import build_scorer, warm_up

    warm_up(settings)
    built = build_scorer(settings)
    sys.stdin.readline()
    built.run(Event())
    return {}


def latency(settings: RunSettings) -> dict[str, Any]:
    """(e) Record in topic to committed row, when told to begin."""
    from benchmarks.speed.latency import measure
    from benchmarks.speed.scorers import build_scorer, warm_up

    warm_up(settings)
    sys.stdin.readline()
    build = partial(build_scorer, settings)
    return measure(build, settings.servers, settings.topic, settings.rate, settings.seconds)


def user_batch(settings: RunSettings) -> Step:
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

    return reading(settings, work)


def user_record(settings: RunSettings) -> Step:
    """(d) The same, record by record."""
    model, table = _user_model(settings), _user_table()

    def work(records: list[Any]) -> None:
        for record in records:
            row = json.loads(record.value)
            score = model.decision_function(np.array([[row[name] for name in FIELDS]]))[0]
            if score > model.threshold_:
                _keep(table, [(row["id"], float(score))])

    return reading(settings, work, max_records=100)


def user_trees(settings: RunSettings) -> Step:
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

    return reading(settings, work, max_records=100)


def _user_model(settings: RunSettings) -> Any:
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    from benchmarks.speed.stream import readings

    torch.set_num_threads(1)
    # What it has learned does not bear on how long it takes to score.
    model = AutoEncoder(epoch_num=1, contamination=0.01, verbose=0, random_state=0)
    model.fit(readings(1_000, seed=0))
    return model


def _user_table() -> sqlite3.Connection:
    connection = sqlite3.connect(Path(tempfile.mkdtemp(prefix="speed-user-")) / "alerts.db")
    connection.execute("CREATE TABLE alerts (id TEXT, score REAL)")
    return connection


def _keep(connection: sqlite3.Connection, rows: list[tuple[str, float]]) -> None:
    connection.executemany("INSERT INTO alerts VALUES (?, ?)", rows)
    connection.commit()


def prepare(settings: RunSettings) -> dict[str, Any]:
    """Train the variants, and find the thresholds that flag one record in a hundred and one in a thousand.

    As after any training, scorers find every compiled loop on disk: to compile one costs 10 MB that stay.
    """
    from benchmarks.speed.scorers import warm_up
    from benchmarks.speed.stream import sample
    from latentwatch.detector.bundle import save_bundle
    from latentwatch.detector.training import train
    from latentwatch.streams.context.context_store import ContextStore

    found: dict[str, Any] = {}
    for variant in ("light", "default"):
        trained = train(sample(variant, settings.records, seed=0), monitor(variant)).detector
        records = sample(variant, 64_000)
        surprise = trained.score(records, ContextStore(trained.context).extend(records)).surprise[16_000:]
        found[variant] = {
            "bundle": save_bundle(trained, settings.bundles),
            "detector": type(trained).__name__,
            "thresholds": {"1%": float(np.quantile(surprise, 0.99)), "0.1%": float(np.quantile(surprise, 0.999))},
        }
        warm_up(replace(settings, variant=variant, bundle=found[variant]["bundle"]))
    return found


ROUNDS = {each.__name__: each for each in (poll, decode, scorer, user_batch, user_record, user_trees)}
ONCE = {each.__name__: each for each in (drain, latency, prepare)}


def main() -> None:
    """Run one measure."""
    name, settings = sys.argv[1], RunSettings(**json.loads(sys.argv[2]))
    # Standard output holds the figures, and what goes well need not be told.
    structlog.configure(
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    if name in ROUNDS:
        serve(ROUNDS[name](settings), settings.core)
    elif name in ONCE:
        sys.stdout.write("\n" + json.dumps(ONCE[name](settings)) + "\n")
    else:
        raise InvalidInput(f"no measure {name!r}; choose one of {', '.join([*ROUNDS, *ONCE])}")


if __name__ == "__main__":
    main()
