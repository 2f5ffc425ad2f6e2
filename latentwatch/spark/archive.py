"""A backfill on Spark: Parquet in, Parquet out, each entity's records in the archive's order on one worker.

Rows are spread by entity, sorted by file and row, and streamed through the detector by Arrow batches: memory holds one batch
and the entities' contexts, whatever an entity's history. A model without context needs no spreading.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

import msgspec
import numpy as np
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from latentwatch.archive_scores import ArchiveTally, complete
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import SystemClock, to_microseconds
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.rules import NO_RULES, FeatureRules
from latentwatch.domain.schema import RecordSchema
from latentwatch.spark.session import reason_of
from latentwatch.streams.batch_scoring import RowScorer, StreamScorer
from latentwatch.streams.decoding.formats import decoder_for
from latentwatch.streams.ports import Messages

_FILE, _ROW = "latentwatch_file", "latentwatch_row"
_TASKS_PER_CORE = 3
_SCORED = (
    "file string, position long, surprise double, reconstruction double, density double, flagged boolean, "
    "excepted long, error string"
)


@dataclass(frozen=True)
class ScoreRows:
    """What a worker does with its rows."""

    bundles: str
    bundle: str
    policy: AlertPolicy
    load: Callable[[str, str], Detector] = load_bundle
    rules: FeatureRules = NO_RULES
    exceptions: Exceptions = NO_EXCEPTIONS

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score rows as they come: one row out for each one in."""
        detector = self.load(self.bundles, self.bundle)
        stream = StreamScorer(detector, self.policy, "archive", rules=self.rules, exceptions=self.exceptions)
        scorer = RowScorer(decoder_for(detector.schema, "json"), stream)
        encode = msgspec.json.Encoder().encode
        read = 0
        for batch in batches:
            count = len(batch)
            messages = Messages(
                source="archive",
                partitions=np.zeros(count, np.int32),
                offsets=np.arange(read, read + count, dtype=np.int64),
                timestamps_ms=np.full(count, to_microseconds(SystemClock().now()) // 1_000, np.int64),
                values=[encode(row) for row in batch.drop_columns([_FILE, _ROW]).to_pylist()],
            )
            read += count
            if count:
                rows = scorer.score(messages)
                files = [_path(address) for address in batch.column(_FILE).to_pylist()]
                yield complete(rows, files, batch.column(_ROW))


@lru_cache(maxsize=64)
def _path(address: str) -> str:
    """A file as people name it: of this machine by its path, elsewhere by its address."""
    return unquote(urlsplit(address).path) if address.startswith("file:") else address


def score_archive(
    spark: SparkSession,
    input_: str,
    output: str,
    schema: RecordSchema,
    score: ScoreRows,
    report: Callable[[str, float], None],
) -> ArchiveTally:
    """Score an archive into a new folder. Raises InvalidInput where it cannot be read or written."""
    try:
        read = spark.read.option("mergeSchema", "true").parquet(input_)
        rows = read.select(
            *_needed(read, schema), f.col("_metadata.file_path").alias(_FILE), f.col("_metadata.row_index").alias(_ROW)
        )
        detector = score.load(score.bundles, score.bundle)
        if detector.context.state_size:
            tasks = _TASKS_PER_CORE * spark.sparkContext.defaultParallelism
            rows = rows.repartition(tasks, _entity(schema)).sortWithinPartitions(_FILE, _ROW)
        with _progress(spark, report):
            rows.mapInArrow(score, _SCORED).write.mode("error").parquet(output)
        report("scoring", 1.0)
        found = (
            spark.read.schema(_SCORED)
            .parquet(output)
            .agg(
                f.count("*"),
                f.count_if("flagged"),
                *(summed(name) for name in ("error", "unread") for summed in (f.count, f.min)),
            )
        )
        records, flagged, unreadable, reason, unread, first_unread = found.collect()[0]
    except PySparkException as error:
        raise InvalidInput(f"Spark cannot score {input_} into {output}: {reason_of(error)}") from error
    return ArchiveTally(records - unreadable, flagged, unreadable, reason or "", unread, first_unread or "")


def _needed(rows: DataFrame, schema: RecordSchema) -> list[Column]:
    """The columns that the records' fields are in; Parquet reads no other."""
    roots = [feature.path.split(".")[0] if feature.path else feature.name for feature in schema.features]
    roots += [name.split(".")[0] for name in (*filter(None, (schema.time,)), *schema.entity_fields)]
    return [f.col(f"`{name}`") for name in dict.fromkeys(roots) if name in rows.columns]


def _entity(schema: RecordSchema) -> Column:
    """What rows are spread by; all on one worker where nothing tells them apart."""
    if not schema.entity_fields:
        return f.lit("")
    return f.col(".".join(f"`{part}`" for part in schema.entity_fields[0].split("."))).cast("string")


@contextmanager
def _progress(spark: SparkSession, report: Callable[[str, float], None]) -> Iterator[None]:
    """Tell twice a second how many of the tasks under way are done."""
    over = Event()

    def watch() -> None:
        tracker = spark.sparkContext.statusTracker()
        while not over.wait(0.5):
            stages = [info for each in tracker.getActiveStageIds() if (info := tracker.getStageInfo(each))]
            total = sum(stage.numTasks for stage in stages)
            if total:
                report("scoring", min(0.99, sum(stage.numCompletedTasks for stage in stages) / total))

    watcher = Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
