"""What the ablation learns from and is asked about: the suites of `benchmarks.quality` as batches, fewer files of some.

(suite, set, seed) -> OneFit: training records, how far back they are looked at, and tested stretches with their truth
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import clocked, everyday, generated, plant, telemetry
from benchmarks.quality.datasets import (
    Floats,
    Truth,
    clean_split,
    contaminated_split,
    server_names,
    server_split,
    skab_names,
    skab_split,
    table_names,
    tennessee_eastman,
)
from benchmarks.quality.metrics import auroc, average_precision
from benchmarks.quality.vus import period, vus_pr
from latentwatch.detector.reading import Reading
from latentwatch.detector.sequences.choice import choose_window
from latentwatch.detector.training import window_of
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.sources import FileSettings, SourceSettings
from latentwatch.plant import Plant

_MOST_ROWS = 6_000
"""Of a table's rows that train, and of those that are tested."""


@dataclass(frozen=True, slots=True)
class HeldOutStretch:
    """Records that are ranked, from the beginning of their entities' pasts."""

    batch: Batch
    truth: Truth
    """[N]"""
    buffer: int | None = None
    """Of VUS-PR, in records; None where average precision is measured."""

    def measure(self, told: NDArray[Any]) -> tuple[float, float]:
        """AUROC, and VUS-PR or average precision."""
        scores = np.asarray(told, np.float64)
        if self.buffer is None:
            return auroc(self.truth, scores), average_precision(self.truth, scores)
        return auroc(self.truth, scores), vus_pr(self.truth, scores, self.buffer)


@dataclass(frozen=True, slots=True)
class OneFit:
    """One fit, and what it is asked about."""

    train: Batch
    window: int
    tested: tuple[HeldOutStretch, ...]


@dataclass(frozen=True, slots=True)
class AblatedSuite:
    """A suite: its sets, and how one of them is read for a seed."""

    sets: Callable[[Path], Sequence[str]]
    read: Callable[[Path, str, int], OneFit]


def _rows(train: Floats, test: Floats, truth: Truth) -> OneFit:
    reading, batch = Reading.learn(train, None, None, _as_it_is)
    return OneFit(batch, 1, (HeldOutStretch(reading.batch(test, None, None, False, _as_it_is), truth),))


def _samples(train: Floats, tests: Sequence[tuple[Floats, Truth, int | None]]) -> OneFit:
    reading, batch = Reading.learn(train, None, None, _as_it_is)
    tested = tuple(
        HeldOutStretch(reading.batch(test, None, None, False, _as_it_is), truth, buffer)
        for test, truth, buffer in tests
    )
    return OneFit(batch, choose_window(batch), tested)


def _as_it_is(rows: Any, numbers: bool) -> Any:
    del numbers
    return rows


def _clocked(stream: everyday.Clocked) -> OneFit:
    names = {f"x{column}": "numeric" for column in range(1, stream.train.shape[1])}
    schema = RecordSchema.model_validate({"time": "at", "features": names})

    def batch(rows: Floats) -> Batch:
        columns = {name: rows[:, column] for column, name in enumerate(schema.numbers, 1)}
        return batch_from_columns(schema, columns, times=(rows[:, 0] * 1e6).astype(np.int64))

    train = batch(stream.train)
    monitor = Monitor(name="ablation", source=SourceSettings(file=FileSettings(path="-")), record=schema)
    return OneFit(train, window_of(train, monitor), (HeldOutStretch(batch(stream.test), stream.truth, clocked.BUFFER),))


def _clean(folder: Path, name: str, seed: int) -> OneFit:
    split = clean_split(folder, name, seed)
    chosen = np.random.default_rng(seed).permutation(len(split.test))[:_MOST_ROWS]
    return _rows(split.train[:_MOST_ROWS], split.test[chosen], split.truth[chosen])


def _contaminated(folder: Path, name: str, seed: int) -> OneFit:
    split = contaminated_split(folder, name, seed)
    chosen = np.random.default_rng(seed).permutation(len(split.test))[:_MOST_ROWS]
    return _rows(split.train[chosen], split.train[chosen], split.truth[chosen])


def _skab(folder: Path, name: str, seed: int) -> OneFit:
    del seed
    split = skab_split(folder, name)
    return _samples(split.train, [(split.test, split.truth, period(split.test[:, 0]))])


def _server(folder: Path, name: str, seed: int) -> OneFit:
    del seed
    split = server_split(folder, name)
    return _samples(split.train, [(split.test, split.truth, period(split.test[:, 0]))])


def _chemical_plant(folder: Path, name: str, seed: int) -> OneFit:
    del name, seed
    runs = tennessee_eastman(folder)
    return _samples(runs.train, [(rows, truth, None) for rows, truth in runs.faults.values()])


def _rig(folder: Path, name: str, seed: int) -> OneFit:
    del folder, name
    simulated = Plant(seed=seed, rigs=1)
    tests: list[tuple[Floats, Truth, int | None]] = []
    for day, kind in enumerate(plant.KINDS, 3):
        start = plant.START + timedelta(days=day)
        batch, faults = simulated.stream(start, plant.STREAM_RECORDS, (kind,), plant.SPACING_RECORDS)
        truth = np.zeros(len(batch), bool)
        for fault in faults:
            truth[fault.rows] = True
        tests.append((plant.as_matrix(batch), truth, None))
    return _samples(plant.as_matrix(simulated.history(plant.START, plant.HISTORY_RECORDS)), tests)


def _generated(wander: float) -> Callable[[Path, str, int], OneFit]:
    def read(folder: Path, name: str, seed: int) -> OneFit:
        del folder
        split = generated.generate(name, seed, wander).split
        return _samples(split.train, [(split.test, split.truth, period(split.test[:, 0]))])

    return read


SUITES: dict[str, AblatedSuite] = {
    "telemetry": AblatedSuite(
        lambda _: telemetry.names(), lambda _, name, seed: _clocked(telemetry.generate(name, seed))
    ),
    "everyday": AblatedSuite(
        lambda _: everyday.names()[2::4], lambda _, name, seed: _clocked(everyday.generate(name, seed))
    ),
    "metrics": AblatedSuite(
        clocked.metric_names, lambda folder, name, _: _clocked(clocked.metric_stream(folder, name))
    ),
    "generated": AblatedSuite(lambda _: [*generated.KINDS], _generated(0.0)),
    "drifting": AblatedSuite(lambda _: [*generated.KINDS], _generated(1.0)),
    "skab": AblatedSuite(lambda folder: skab_names(folder)[::3], _skab),
    "tennessee-eastman": AblatedSuite(lambda _: ["plant"], _chemical_plant),
    "servers": AblatedSuite(server_names, _server),
    "plant": AblatedSuite(lambda _: ["rig"], _rig),
    "tables": AblatedSuite(table_names, _clean),
    "tables-contaminated": AblatedSuite(table_names, _contaminated),
}
"""Every third pump, everyday streams of half an hour, at most 6,000 rows of a table; the rest as `benchmarks.quality` has it."""
