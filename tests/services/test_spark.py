"""Spark beside the scorer: the same rows from the same records, and no record lost or doubled where one engine follows the other."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kafka import KafkaProducer
from pyspark.sql import SparkSession
from structlog.testing import capture_logs

from deploy.services.programs import spark_jars
from latentwatch.alerts.monitors import register_monitor
from latentwatch.backfilling import archive_files, score_here
from latentwatch.domain.errors import StreamRefused
from latentwatch.scoring import open_input, write_scores
from latentwatch.settings import Settings
from latentwatch.spark.archive import ScoreRows, score_archive
from latentwatch.spark.session import begin_spark
from latentwatch.spark.stream_job import StreamJob
from latentwatch.streams.testing import FakeDetector
from tests.faults import readings
from tests.faults.scene import Scene
from tests.faults.test_readings_align import produce as produce_readings
from tests.faults.test_readings_align import settle as settle_readings
from tests.faults.test_readings_align import stands_at
from tests.faults.workload import PARTITIONS, detector, monitor
from tests.services.conftest import create_topic
from tests.services.spark_bundles import broken, load, load_readings
from tests.services.test_kafka_security import Guarded, guarded, ways
from tests.streams.decoding.test_avro_decoding import avro
from tests.streams.registry_server import RegistryServer

pytestmark = pytest.mark.long

__all__ = ["guarded"]

BUNDLE = "gain-1.0"
CORES = 2
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A cluster of two executors, processes with Python workers of their own, which find these tests as the project."""
    ours = {
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--conf spark.task.maxFailures=1 pyspark-shell",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    session = begin_spark(
        Settings(spark=f"local-cluster[{CORES},1,1024]", spark_jars=str(spark_jars())), "tests", kafka=True
    )
    yield session
    session.stop()
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture
def scene(kafka_address: str, topic: Callable[..., str], tmp_path: Path) -> Iterator[Scene]:
    """A topic with a monitor and its champion."""
    scene = Scene(kafka_address, topic(partitions=PARTITIONS), f"sqlite:///{tmp_path / 'spark.db'}", tmp_path)
    scene.promote(BUNDLE)
    yield scene
    scene.close()


class OnSpark:
    """A Spark job over a scene's topic, in a thread of this process; `with` ends it, wherever it is."""

    def __init__(
        self,
        spark: SparkSession,
        scene: Scene,
        records: int = 300,
        load: Callable[[str, str], FakeDetector] = load,
        source: dict[str, str] | None = None,
        **settings: str,
    ) -> None:
        """`source` changes what the monitor says of its topic, `settings` how the job gets there."""
        told = Settings(**{"database": scene.database, "kafka": scene.servers, **settings})
        watched = scene.monitor
        assert watched.source.kafka is not None
        topic = watched.source.kafka.model_copy(update=source or {})
        watched = watched.model_copy(update={"source": watched.source.model_copy(update={"kafka": topic})})
        self.job = StreamJob(spark, watched, told, scene.engine, scene.clock, load=load, offsets_per_trigger=records)
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self.error: Exception | None = None

    def _run(self) -> None:
        try:
            self.job.run(self._stop)
        except Exception as error:
            self.error = error

    def __enter__(self) -> "OnSpark":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Until it has ended by itself or as told."""
        self._thread.join(120)
        assert not self._thread.is_alive()


def test_engines_may_be_switched(spark: SparkSession, scene: Scene) -> None:
    """Spark, a scorer killed within a batch, Spark cut off within one, a scorer: one outcome a record, each undisturbed."""
    scene.produce(500)
    with OnSpark(spark, scene) as first:
        scene.wait_for(200)
    assert first.error is None
    scorer = scene.start(slow=0.01, snapshot_seconds=1e6)  # its contexts stay behind its positions
    reached = scene.progress()
    scene.produce(500)
    scene.wait_for(reached + 150)
    scene.stop(scorer, signal.SIGKILL)
    scene.produce(300)
    with OnSpark(spark, scene) as second:
        scene.wait_for(scene.progress() + 200)
    assert second.error is None
    scene.produce(200)
    scene.start()
    scene.settle(same_as_undisturbed=BUNDLE)


def test_readings_are_aligned_across_engines(spark: SparkSession, scene: Scene) -> None:
    """Rows in the making go from Spark to a scorer, which is killed, and back: each is made once, of all its values."""
    scene.monitor = readings.monitor(scene.topic)
    register_monitor(scene.engine, scene.monitor)
    produce_readings(scene, 500)
    with OnSpark(spark, scene, load=load_readings) as first:
        scene.wait_until(partial(stands_at, scene, 200), "Spark has not begun")
    assert first.error is None
    scorer = scene.start(readings=True, slow=0.01, records=40, snapshot_seconds=1e6)
    reached = sum(scene.positions().values())
    produce_readings(scene, 500)
    scene.wait_until(partial(stands_at, scene, reached + 150), "the scorer does not go on")
    scene.stop(scorer, signal.SIGKILL)
    with OnSpark(spark, scene, load=load_readings) as second:
        settle_readings(scene)
    assert second.error is None
    assert second.job.totals.aligned > second.job.totals.records


def test_both_engines_at_once(spark: SparkSession, scene: Scene) -> None:
    """Started together by mistake, they hinder each other, and every record still has its one undisturbed outcome."""
    scene.produce(600)
    scene.start(slow=0.01)
    with OnSpark(spark, scene, records=200) as job:
        scene.wait_for(300)
        scene.produce(200)
        scene.wait_for(scene.produced)
    assert job.error is None
    scene.settle(same_as_undisturbed=BUNDLE)


def test_a_refusal_ends_the_job_with_its_reason(spark: SparkSession, scene: Scene) -> None:
    """A stream of something else ends a Spark job as it ends a scorer, with one entry in the audit table."""
    producer = KafkaProducer(bootstrap_servers=scene.servers)
    for _ in range(400):
        producer.send(scene.topic, b"{}", partition=0)
    producer.close()
    job = OnSpark(spark, scene)
    with job:
        job.wait()
    assert isinstance(job.error, StreamRefused)
    with scene.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit").scalar_one() == 1


def test_a_workers_own_words_are_told(spark: SparkSession, scene: Scene) -> None:
    """What fails in a task, on another machine perhaps, is said in the log of the job, not only that something did."""
    scene.produce(10)
    with capture_logs() as logs, OnSpark(spark, scene, load=broken):
        scene.wait_until(lambda: bool(logs), "nothing is said of the failure")
    assert logs[0]["reason"] == "RuntimeError: the disk of this worker is gone"


WRITER = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        *({"name": name, "type": kind} for name, kind in {"rig": "string", "a": "double", "number": "int"}.items()),
    ],
}


@pytest.mark.parametrize("way", ["scram-512", "mutual"])
def test_avro_through_a_guarded_door(
    spark: SparkSession, guarded: Guarded, kafka_address: str, tmp_path: Path, way: str
) -> None:
    """Credentials, certificates and the registry reach Spark and its workers; a schema is fetched once by each of them."""
    listener, variables = ways(guarded.certificates)[way]
    topic = f"avro.{uuid4().hex[:8]}"
    create_topic(guarded.broker.address, topic, PARTITIONS)
    scene = Scene(guarded.broker.address, topic, f"sqlite:///{tmp_path / 'spark.db'}", tmp_path)
    scene.promote(BUNDLE)
    rigs = range(PARTITIONS)
    for at in (0, 60):
        readings = [{"at": (1_700_000_000 + at + n) * 1_000, "a": n / 10, "number": n % 9} for n in range(60)]
        scene.send((rig, avro(WRITER, {**each, "rig": f"rig-{rig}"}, 7)) for each in readings for rig in rigs)
    with RegistryServer(user="watch", password="secret").running() as registry:
        registry.register(7, WRITER)
        door = {f"kafka_{name.lower()}": value for name, value in variables.items()}
        door |= {"kafka": f"127.0.0.1:{guarded.ports[listener]}", "registry": registry.url}
        door |= {"registry_user": "watch", "registry_password": "secret"}
        with OnSpark(spark, scene, 200, source={"format": "avro"}, **door) as job:
            scene.wait_for(scene.produced)
        assert len(registry.requests) <= 2 * CORES
    assert job.error is None
    account = scene.account()
    assert account.settled, account
    assert len(account.scored) == scene.produced
    scene.close()


def write_archive(folder: Path, files: int = 3, rows: int = 2_000) -> None:
    """Files of interleaved rigs; some rows lack their time, some their rig, some a number."""
    folder.mkdir()
    numbers = np.random.default_rng(7)
    for file in range(files):
        at = 1_700_000_000 + file * rows + np.arange(rows)
        table = pa.table(
            {
                "at": pa.array([None if k % 601 == 5 else int(t) for k, t in enumerate(at)], pa.int64()),
                "rig": [None if k % 701 == 3 else f"rig-{k}" for k in numbers.integers(0, 40, rows)],
                "a": [None if k % 97 == 0 else float(v) for k, v in enumerate(numbers.normal(size=rows))],
                "number": numbers.integers(-3, 9, rows),
                "not ours": ["x"] * rows,
            }
        )
        pq.write_table(table, folder / f"part {file}.parquet", row_group_size=500)


def read_scores(folder: Path) -> list[tuple[object, ...]]:
    """Every row of a folder of scores, in the archive's order."""
    rows = pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]).to_pylist()
    return sorted(tuple(row.values()) for row in rows)


def test_a_backfill_equals_the_scorer_row_for_row(spark: SparkSession, tmp_path: Path) -> None:
    """Spark and this process give the same rows of an archive; of one file, those that `latentwatch score` writes."""
    watched = monitor("none")
    archive = tmp_path / "archive"
    write_archive(archive)
    shares: list[float] = []
    score = ScoreRows("nowhere", BUNDLE, watched.alert, load)
    of_spark = score_archive(
        spark, str(archive), str(tmp_path / "spark"), watched.record, score, lambda _, share: shares.append(share)
    )
    of_this = score_here(
        archive_files(str(archive)), tmp_path / "here", detector(BUNDLE), watched.alert, lambda *_: None
    )
    assert read_scores(tmp_path / "spark") == read_scores(tmp_path / "here")
    assert (of_spark.records, of_spark.flagged, of_spark.unreadable) == (
        of_this.records,
        of_this.flagged,
        of_this.unreadable,
    )
    assert of_spark.records + of_spark.unreadable == 6_000
    assert of_spark.unreadable > 0
    assert shares[-1] == 1.0
    assert len(list((tmp_path / "spark").glob("part-*.parquet"))) > 1

    first = archive / "part 0.parquet"
    with (tmp_path / "scores.jsonl").open("wb") as out:
        write_scores(open_input(str(first), "auto"), detector(BUNDLE), watched, out)
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    rows = [row for row in read_scores(tmp_path / "here") if row[0] == str(first)]
    assert [(line["position"], line["surprise"], line["flagged"], line.get("error")) for line in lines] == [
        (row[1], row[2], row[5], row[7]) for row in rows
    ]
