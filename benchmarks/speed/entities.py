"""What many entities cost a scorer: `python -m benchmarks.speed.entities [--entities N] [--database postgresql] [--json]`.

Trains a detector, then starts scorers, each a process of its own, over a generated stream of four partitions:

- snapshot: the most memory while records are scored, and while the whole context, all of it changed, is written;
- restart: seconds of processor until a scorer has read that context back;
- quiet: bytes that a snapshot writes after a hundred entities sent;
- known: seconds until the database lists every entity, at a scorer's usual pace.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
import structlog
from sqlalchemy import Engine, event, text

from deploy.services.postgres import PostgresServer
from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.bundle import load_bundle
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.model import Judgement
from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.record import batch_from_columns
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.failpoints import Step
from latentwatch.streams.ports import Changes, Messages
from latentwatch.streams.scorer import Scorer

CLOCK = SystemClock()
PARTITIONS = 4
_START = 1_700_000_000
_TAILS = 997
"""Different sets of values; an entity has another one with each record."""
_PATIENCE_SECONDS = 180.0
_QUIET_ENTITIES = 100
_AT_ONCE = 4_000
"""Records a poll brings, at most; a live stream has as many a second."""


def monitor(features: int) -> Monitor:
    """Numbers of many rigs."""
    names = ", ".join(f"s{number:03d}: numeric" for number in range(features))
    return parse_monitor(
        "name: entities\nsource: {kafka: {topic: entities}}\n"
        f"record: {{time: at, entity: rig, features: {{{names}}}}}\nalert: {{false_alarm_rate: 0.001}}\n"
    )


class Generated:
    """A source of records that follow from their offsets alone: the entities of each partition in turn."""

    name = "entities"
    topic_id = None

    def __init__(self, entities: int, features: int, end: int, live: bool = False) -> None:
        """`end` is the offset at which every partition ends; a live source goes on."""
        self.live = live
        self._each = entities // PARTITIONS
        self._end = end
        self._next: dict[int, int] = {}
        self._gained = tuple(range(PARTITIONS))
        values = np.random.default_rng(3).normal(size=(_TAILS, features))
        self._tails = [",".join(f'"s{at:03d}":{value:.4f}' for at, value in enumerate(row)) for row in values]

    def open(self) -> None:
        """Nothing to connect to."""

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """The next records, partition after partition."""
        if self.live and min(self._next.values(), default=0) >= self._each:
            CLOCK.sleep(1.0)
        count = min(max_records, _AT_ONCE) // PARTITIONS
        partitions: list[int] = []
        offsets: list[int] = []
        for partition, start in self._next.items():
            stop = start + count if self.live else min(start + count, self._end)
            partitions += [partition] * (stop - start)
            offsets += range(start, stop)
            self._next[partition] = stop
        values: list[bytes | None] = [self._value(*place) for place in zip(partitions, offsets, strict=True)]
        times = np.full(len(values), _START * 1000, np.int64)
        return Messages(self.name, np.array(partitions, np.int32), np.array(offsets, np.int64), times, values)

    def _value(self, partition: int, offset: int) -> bytes:
        turn, rig = divmod(offset, self._each)
        tail = self._tails[(offset * 31 + partition) % _TAILS]
        return f'{{"at":{_START + turn * 60},"rig":"rig-{partition}-{rig:06d}",{tail}}}'.encode()

    def changes(self) -> Changes:
        """All partitions, at first."""
        gained, self._gained = self._gained, ()
        return Changes(gained=gained)

    def seek(self, partition: int, offset: int) -> None:
        """Deliver from here."""
        self._next[partition] = offset

    def hold(self, partition: int) -> None:
        """Deliver no more of it."""
        self._next.pop(partition, None)

    def starts(self) -> dict[int, int]:
        """From the first record."""
        return dict.fromkeys(range(PARTITIONS), 0)

    def start_offset(self, partition: int) -> int:
        """The first record."""
        return 0

    def pause(self) -> None:
        """Nothing waits here."""

    def resume(self) -> None:
        """Nothing waits here."""

    def lag(self) -> dict[int, int]:
        """Unknown."""
        return {}

    def acknowledge(self, positions: dict[int, int]) -> None:
        """Nobody to tell."""

    @property
    def finished(self) -> bool:
        """Whether every partition came to its end."""
        return not self.live and len(self._next) == PARTITIONS and min(self._next.values()) >= self._end

    def close(self) -> None:
        """Nothing to leave."""


class MostMemory:
    """The most that a process holds, looked at every few milliseconds."""

    def __init__(self) -> None:
        self._most = 0
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def take(self) -> int:
        """Megabytes, at most, since the last call."""
        most, self._most = self._most, 0
        return round(most / 1e6)

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.005):
            self._most = max(self._most, process.memory_info().rss)


def snapshot(settings: argparse.Namespace) -> dict[str, Any]:
    """Three records of every entity; then everything is written."""
    memory, stop, seconds = MostMemory(), Event(), time.process_time()
    scorer = _scorer(settings, Generated(settings.entities, settings.features, 3 * settings.entities // PARTITIONS))
    scorer.begin(stop)
    source = scorer._source
    while not source.finished:
        scorer.turn(stop)
    scorer.finish(stop)
    scored, before = memory.take(), time.process_time()
    scorer._save_context(stop)
    return {
        "scoring_mb": scored,
        "snapshot_mb": memory.take(),
        "scoring_seconds": round(before - seconds, 1),
        "snapshot_seconds": round(time.process_time() - before, 2),
        "floats_of_state": scorer.serving.detector.context.state_size if scorer.serving else 0,
    }


def restart(settings: argparse.Namespace) -> dict[str, Any]:
    """Read the context back; where the scorer comes to its first poll, that has happened."""
    memory, stop = MostMemory(), Event()
    end = 3 * settings.entities // PARTITIONS
    scorer = _scorer(settings, Generated(settings.entities, settings.features, end))
    scorer.begin(stop)
    before = time.process_time()
    scorer.turn(stop)
    found = {"load_seconds": round(time.process_time() - before, 2), "load_mb": memory.take()}
    assert set(scorer.positions.values()) == {end}
    return found


def quiet(settings: argparse.Namespace) -> dict[str, Any]:
    """A hundred entities send, and the context is written again."""
    written, stop = 0, Event()
    end = 3 * settings.entities // PARTITIONS + _QUIET_ENTITIES // PARTITIONS
    scorer = _scorer(settings, Generated(settings.entities, settings.features, end))
    scorer.begin(stop)

    def weigh(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        nonlocal written
        if "INTO context_" in statement or "UPDATE context_" in statement:
            rows = parameters if isinstance(parameters, list) else [parameters]
            values = [value for row in rows for value in (row.values() if isinstance(row, dict) else row)]
            values = [getattr(value, "obj", value) for value in values]  # drivers wrap what is sent as bytes
            written += sum(len(value) for value in values if isinstance(value, bytes | memoryview))

    while not scorer._source.finished:
        scorer.turn(stop)
    scorer.finish(stop)
    event.listen(Engine, "before_cursor_execute", weigh)
    before = time.process_time()
    scorer._save_context(stop)
    return {"quiet_mb": round(written / 1e6, 1), "quiet_seconds": round(time.process_time() - before, 2)}


def known(settings: argparse.Namespace) -> dict[str, Any]:
    """A burst of one record of each entity, then some thousand records a second, until all are in the database."""
    stop, began, engine = Event(), CLOCK.monotonic(), open_database(settings.database)
    first: list[float] = []
    seen = 0

    def look(step: Step) -> None:
        nonlocal seen
        if step == "committed":
            first.append(CLOCK.monotonic())
        if step == "acknowledged":
            with engine.connect() as connection:
                seen = int(connection.execute(text("SELECT count(*) FROM entities")).scalar_one())
            if seen >= settings.entities or CLOCK.monotonic() - began > _PATIENCE_SECONDS:
                stop.set()

    source = Generated(settings.entities, settings.features, 0, live=True)
    scorer = _scorer(settings, source, snapshot_seconds=5.0, reach=look)
    scorer.begin(stop)
    while not stop.is_set():
        scorer.turn(stop)
    waited = round(CLOCK.monotonic() - first[0])
    return {"known": seen, "known_seconds": waited if seen >= settings.entities else None}


PHASES = {each.__name__: each for each in (snapshot, restart, quiet, known)}


def _scorer(settings: argparse.Namespace, source: Any, snapshot_seconds: float = 1e9, **more: Any) -> Scorer:
    watched = monitor(settings.features)
    engine = open_database(settings.database)
    migrate(engine)
    register_monitor(engine, watched)
    registry = ModelRegistry(engine, CLOCK)
    if registry.champion(watched.name) is None:
        candidate = registry.register(watched.name, settings.bundle, "rows", 0, None, None, None)
        registry.judge(watched.name, candidate.version, Judgement(True, ("the benchmark's own",)))
    return Scorer(
        watched,
        source,
        lambda schema: JsonDecoder(schema, TimeBound(CLOCK)),
        AlertStore(engine, watched.name, CLOCK, durable=False),
        registry,
        lambda bundle: load_bundle(settings.bundles, bundle),
        clock=CLOCK,
        snapshot_seconds=snapshot_seconds,
        **more,
    )


def train_bundle(features: int, bundles: str) -> str:
    """A detector of 40 rigs' records."""
    from latentwatch.detector.bundle import save_bundle
    from latentwatch.detector.training import train

    count, random = 20_000, np.random.default_rng(5)
    watched = monitor(features)
    values = random.normal(size=(count // 40, 40, features))
    for step in range(1, len(values)):  # each rig's values remember, so that a context is worth having
        values[step] = 0.95 * values[step - 1] + 0.3 * values[step]
    values = values.reshape(count, features)
    history = batch_from_columns(
        watched.record,
        {name: values[:, at] for at, name in enumerate(watched.record.names)},
        entities=[f"rig-{place % 40}" for place in range(count)],
        times=(_START + np.arange(count) // 40 * 60) * 1_000_000,
    )
    return save_bundle(train(history, watched).detector, bundles)


@contextmanager
def _databases(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Two empty ones."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/a.db", f"sqlite:///{folder}/b.db"
        return
    folder.chmod(0o711)
    with ExitStack() as stack:
        server = PostgresServer(folder / "postgres")
        stack.callback(server.stop)
        server.start()
        yield server.create_database("a"), server.create_database("b")


def main() -> None:
    """Run all of it, or one phase in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.entities", description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000, help="in four partitions")
    parser.add_argument("--features", type=int, default=15, help="numbers a record has")
    parser.add_argument("--database", default="sqlite", help="sqlite or postgresql")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    for hidden in ("--phase", "--bundle", "--bundles"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        structlog.configure(logger_factory=lambda *_: structlog.WriteLogger(sys.stderr))
        sys.stdout.write(json.dumps(PHASES[options.phase](options)) + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="latentwatch-entities-") as name, ExitStack() as stack:
        bundles = f"{name}/bundles"
        sys.stderr.write("training\n")
        bundle = train_bundle(options.features, bundles)
        first, second = stack.enter_context(_databases(options.database, Path(name)))
        figures: dict[str, Any] = {"entities": options.entities, "features": options.features}
        for phase in PHASES:
            sys.stderr.write(f"{phase}\n")
            words = {
                "phase": phase,
                "bundle": bundle,
                "bundles": bundles,
                "database": second if phase == "known" else first,
                "entities": str(options.entities),
                "features": str(options.features),
            }
            command = [sys.executable, "-m", "benchmarks.speed.entities"]
            command += [word for key, value in words.items() for word in (f"--{key}", value)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            answer = done.stdout.splitlines()[-1:] if done.returncode == 0 else []
            figures |= json.loads(answer[0]) if answer else {phase: f"failed with {done.returncode}"}
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        sys.stdout.write("".join(f"{key:20} {value}\n" for key, value in figures.items()))


if __name__ == "__main__":
    main()
