"""What the proof on real data stands on: processes of ours in a folder, a producer, and an independent look at the outcome."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import Engine, text

from latentwatch.alerts.heartbeats import heartbeats
from latentwatch.dags import monitor_files
from latentwatch.domain.clock import SystemClock
from latentwatch.streams.serving import LOOK_EVERY_SECONDS
from tests.services.skab import Message

clock = SystemClock()


@dataclass
class Plant:
    """Everything the proof runs in: a folder, its settings, and the processes it started."""

    folder: Path
    topic: str
    kafka: str
    database: str
    monitor: str = "skab"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    """Further settings, such as channels."""

    @property
    def environment(self) -> dict[str, str]:
        """What every process of ours is told."""
        return {
            **os.environ,
            **self.told,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LATENTWATCH_DATABASE": self.database,
            "LATENTWATCH_KAFKA": self.kafka,
            "LATENTWATCH_BUNDLES": str(self.folder / "bundles"),
            "LATENTWATCH_MONITORS": str(self.folder / "monitors"),
            "LATENTWATCH_WORK": str(self.folder / "work"),
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(Path(monitor_files.__file__).parent),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }

    @property
    def monitor_file(self) -> Path:
        """The monitor that is scored and retrained."""
        return self.folder / "monitors" / f"{self.monitor}.yaml"

    def run(self, *arguments: str) -> str:
        """Run a command of ours to its end and return what it printed."""
        return self._run(["-m", "latentwatch", *arguments])

    def python(self, script: str, *arguments: str) -> str:
        """Run a few lines of Python in this environment and return what they printed."""
        return self._run(["-c", script, *arguments])

    def _run(self, arguments: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{arguments} failed:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of ours that runs until stopped; its output goes to a log of its own."""
        with (self.folder / f"{arguments[0]}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "latentwatch", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """End every process, first politely."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()


class Producing:
    """Sends messages at a pace from a thread of its own; leaving the block waits until all are sent."""

    def __init__(self, plant: Plant, stream: list[Message], per_second: float) -> None:
        self._producer = KafkaProducer(bootstrap_servers=plant.kafka, linger_ms=20)
        self._plant, self._stream, self._pause = plant, stream, 100 / per_second
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Producing":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._pause = 0.0
        self._thread.join()
        self._producer.close()

    def hurry(self) -> None:
        """Send the rest at once."""
        self._pause = 0.0

    def _send(self) -> None:
        for start in range(0, len(self._stream), 100):
            for message in self._stream[start : start + 100]:
                self._producer.send(self._plant.topic, key=message.key, value=message.value)
            self._producer.flush()
            clock.sleep(self._pause)


def ends_of(plant: Plant) -> dict[int, int]:
    """The offset after the last record of each partition, from Kafka itself."""
    consumer = KafkaConsumer(bootstrap_servers=plant.kafka)
    partitions = [TopicPartition(plant.topic, number) for number in range(4)]
    ends = {partition.partition: offset for partition, offset in consumer.end_offsets(partitions).items()}
    consumer.close()
    return ends


def accounted(database: Engine) -> int:
    """Records whose outcome is visible; 0 before the tables exist."""
    return int(
        value_of(
            database,
            "SELECT (SELECT coalesce(sum(scored), 0) FROM minute_counts) + (SELECT count(*) FROM dead_letters)",
        )
    )


def serving_versions(database: Engine, monitor: str = "skab") -> list[int | None]:
    """Model versions of the scorers that are alive."""
    return [beat.model_version for beat in heartbeats(database, monitor) if beat.is_alive(clock.now())]


def rows_of(database: Engine, query: str) -> list[Any]:
    """The rows of a query."""
    with database.connect() as connection:
        return list(connection.execute(text(query)))


def value_of(database: Engine, query: str) -> Any:
    """The one value of a query."""
    return rows_of(database, query)[0][0]


def let_scorers_look() -> None:
    """Give running scorers the time in which they are to have taken up what people said."""
    clock.sleep(3 * LOOK_EVERY_SECONDS)


def wait_until(condition: Callable[[], bool], what: str, database: Engine | None = None) -> None:
    """Wait patiently for a condition; fail with what was waited for."""
    deadline = clock.monotonic() + 240
    while not condition():
        if clock.monotonic() > deadline:
            seen = "" if database is None else f"; accounted for: {accounted(database)}; {serving_versions(database)}"
            pytest.fail(f"waited 240 s in vain for {what}{seen}")
        clock.sleep(0.25)


def wait_for_address(plant: Plant) -> str:
    """The address that `latentwatch serve` printed."""
    log = plant.folder / f"serve-{len(plant.processes) - 1}.log"

    def found() -> list[str]:
        return [word for word in log.read_text(errors="replace").split() if word.startswith("http://")]

    wait_until(lambda: bool(found()), "the review app's address")
    return found()[0].rstrip(".,")


def say(line: str) -> None:
    """Part of the proof's report, shown with `-s`."""
    sys.stdout.write(f"proof: {line}\n")
