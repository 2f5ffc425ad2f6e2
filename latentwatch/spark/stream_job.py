"""`latentwatch score --engine spark`: Structured Streaming fetches and spreads the topic, the scoring loop does the rest.

Spark's checkpoint is thrown away: positions live in the database as every scorer's do, fenced in the same transaction as
the results. Whatever dies, also Spark itself, the job begins again where the database stands, and so does a scorer.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event

import structlog
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from latentwatch.alerts.database import Engine
from latentwatch.alerts.heartbeats import Heartbeat
from latentwatch.alerts.store import AlertStore
from latentwatch.console import say
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, StreamRefused, Unavailable
from latentwatch.domain.monitor import Monitor
from latentwatch.heartbeat import HeartbeatWriter
from latentwatch.logs import log_as_lines
from latentwatch.notifying import stop_on_signals
from latentwatch.settings import Settings, load_settings
from latentwatch.spark.micro_batch import DONE, Task
from latentwatch.spark.session import begin_spark, reason_of
from latentwatch.streaming import in_words
from latentwatch.streams.kafka.topic_offsets import topic_offsets
from latentwatch.streams.sources.array_source import STRIDE, name_of
from latentwatch.streams.sources.opening import registry_of
from latentwatch.streams.waiting import Backoff, Stopped, wait_for
from latentwatch.streams.watching.totals import Totals
from latentwatch.wiring import ready_database, registered_to_serve

log = structlog.get_logger()

_LOOK_SECONDS = 0.2
_OFFSETS_PER_TRIGGER = 400_000
"""Messages of one micro-batch, over all partitions; they wait in the workers' memory."""
_FAILURES = 5
"""Beginnings in a row without a micro-batch done, after which the fault is taken to be lasting."""


def score_stream_on_spark(monitor_file: Path) -> None:
    """Score the monitor's topic into the database with Spark until SIGTERM or Ctrl-C."""
    settings, clock = load_settings(), SystemClock()
    log_as_lines(settings.log_level)
    engine = ready_database(settings, clock, patience_seconds=None)
    monitor = registered_to_serve(monitor_file, settings, engine)
    spark = begin_spark(settings, f"latentwatch score {monitor.name}", kafka=True)
    stop = stop_on_signals()  # after Spark, which takes the signals for itself
    job = StreamJob(spark, monitor, settings, engine, clock)
    say(f"scoring {monitor.name} with Spark at {spark.sparkContext.master} until stopped")
    try:
        totals = job.run(stop)
    finally:
        spark.stop()
    say(in_words(totals, monitor))


class StreamJob:
    """One monitor's topic on Spark. `load` opens a bundle, given folder and hash; it is called on the workers."""

    def __init__(
        self,
        spark: SparkSession,
        monitor: Monitor,
        settings: Settings,
        engine: Engine,
        clock: Clock,
        *,
        load: Callable[[str, str], Detector] = load_bundle,
        offsets_per_trigger: int = _OFFSETS_PER_TRIGGER,
    ) -> None:
        """Raises InvalidInput where the monitor reads no topic."""
        topic = monitor.source.kafka
        if topic is None:
            raise InvalidInput(
                f"monitor {monitor.name} reads no Kafka topic; for files: latentwatch backfill --engine spark"
            )
        self.totals = Totals()
        self._topic = topic
        self._spark = spark
        self._monitor = monitor
        self._access = settings.kafka_access()
        self._clock = clock
        self._store = AlertStore(engine, monitor.name, clock)
        self._heartbeat = HeartbeatWriter(engine, monitor.name, clock)
        self._version: int | None = None
        self._last_commit: datetime | None = None
        self._offsets_per_trigger = offsets_per_trigger
        registry = registry_of(topic, settings.registry_access())
        assert registry is not None  # it was given one
        self._task = Task(monitor, settings.database, settings.bundles, registry, {}, {}, load)
        self._refused: str | None = None
        self._rewound = False
        self._failures = 0

    def run(self, stop: Event) -> Totals:
        """Score until stopped. Raises StreamRefused, and Unavailable where Spark fails again and again."""
        backoff = Backoff()
        try:
            while not stop.is_set():
                done = self.totals.batches
                reason = self._run_query(stop)
                if self._refused:
                    raise StreamRefused(self._refused)
                if reason is None:
                    continue
                if self.totals.batches > done:
                    self._failures, backoff = 0, Backoff()
                self._failures += 1
                if self._failures >= _FAILURES:
                    raise Unavailable(f"Spark failed {self._failures} times in a row without a micro-batch: {reason}")
                log.warning("Spark's query ended, it begins again where the database stands", reason=reason)
                self._clock.sleep(backoff.next())
        except Stopped:
            log.info("stopped while a service was away; what was not committed will be read again")
        finally:
            self._heartbeat.end()
        return self.totals

    def _run_query(self, stop: Event) -> str | None:
        """Read from where the database stands until stopped or rewound; why it failed, where it did."""
        wait_for(self._take_up, self._clock, stop)
        with tempfile.TemporaryDirectory(prefix="latentwatch-spark-") as checkpoint:
            query = self._start(Path(checkpoint))
            try:
                while query.isActive and not stop.is_set():
                    query.awaitTermination(_LOOK_SECONDS)
                    self._heartbeat.scoring(self.totals.records, self._completed)
            except StreamingQueryException as error:
                return None if self._refused or self._rewound else reason_of(error)
            finally:
                query.stop()
        return None

    def _completed(self, heartbeat: Heartbeat) -> Heartbeat:
        """A heartbeat with what the job knows of itself."""
        return replace(
            heartbeat,
            last_commit=self._last_commit,
            partitions=sorted(self._task.begins),
            model_version=self._version,
            state="scoring with Spark",
        )

    def _take_up(self) -> None:
        """Where each partition is to be read from: its context's offset, its position, or its beginning."""
        offsets = topic_offsets(self._topic.topic, self._access)
        source, each = (name_of(self._topic.topic), STRIDE) if self._monitor.takes_apart else (self._topic.topic, 1)
        positions = self._store.positions(source)
        if not positions:
            earliest_wanted = self._topic.start == "earliest"
            starts = {number: (first if earliest_wanted else end) * each for number, (first, end) in offsets.items()}
            positions = self._store.begin(source, starts)
        snapshots = self._store.snapshots(source, list(offsets))
        begins: dict[int, int] = {}
        for partition, (first, end) in offsets.items():
            position = positions.get(partition)
            if position is None:  # the partition was added later
                position = self._store.claim(source, partition, first * each)
            if position > end * each:
                raise StreamRefused(
                    f"{self._topic.topic}[{partition}] ends at {end}, before {position // each}, where the database stands:"
                    " the topic was made anew or lost its end; give the new stream another topic or monitor name"
                )
            snapshot = snapshots.get(partition)
            begins[partition] = max(first, (min(position, snapshot.offset) if snapshot else position) // each)
        earliest = {partition: first for partition, (first, _) in offsets.items()}
        self._task = replace(self._task, begins=begins, earliest=earliest)
        self._rewound = False

    def _start(self, checkpoint: Path) -> StreamingQuery:
        options = {f"kafka.{name}": value for name, value in self._access.of_java().items()}
        rows = (
            self._spark.readStream.format("kafka")
            .options(**options)
            .option("kafka.bootstrap.servers", self._access.servers)
            .option("kafka.isolation.level", "read_committed")
            .option("subscribe", self._topic.topic)
            .option(
                "startingOffsets", json.dumps({self._topic.topic: {str(p): at for p, at in self._task.begins.items()}})
            )
            .option("maxOffsetsPerTrigger", self._offsets_per_trigger)
            .load()
            .selectExpr("partition", "offset", "unix_millis(timestamp) AS timestamp_ms", "value")
        )
        return rows.writeStream.foreachBatch(self._score).option("checkpointLocation", checkpoint.as_uri()).start()

    def _score(self, rows: DataFrame, batch: int) -> None:
        """One micro-batch: a task for each Kafka partition, each in offset order, as Spark reads them."""
        done = rows.mapInArrow(self._task, DONE).collect()
        self._refused = next((row.refused for row in done if row.refused), None)
        self._rewound = any(row.rewound for row in done)
        if self._refused or self._rewound:
            raise RuntimeError(self._refused or "records from before this micro-batch are needed")
        for row in done:
            self.totals.records += row.records
            self.totals.flagged += row.flagged
            self.totals.dead_letters += row.dead_letters
            self.totals.passed += row.passed
            self.totals.aligned += row.aligned
            self._version = row.version
        self.totals.batches += 1
        self._last_commit = self._clock.now()
        self._task = replace(self._task, begins={**self._task.begins, **{row.partition: row.end for row in done}})
