"""What both halves of a score are worth: the suites of sequences with them and without.

Left out, the rest is weighed anew. Every component is calibrated by itself, so that the others stay as they are, and what they
say together is ranked.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.latent.rigs import trained
from benchmarks.quality import generated, plant
from benchmarks.quality.datasets import (
    Floats,
    Truth,
    server_names,
    server_split,
    skab_names,
    skab_split,
    tennessee_eastman,
)
from benchmarks.quality.metrics import auroc, average_precision
from latentwatch.detector.components.state import State
from latentwatch.detector.recipes import SEQUENCE
from latentwatch.detector.sequences.choice import choose_window
from latentwatch.detector.sequences.context import encode
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.plant import Plant

SUITES = ("generated", "plant", "skab", "servers", "tennessee-eastman")
_SECOND = 1_000_000
"""Microseconds between rows that have no time."""


def measure_suite(folder: Path, suite: str, seed: int) -> dict[str, float]:
    """Mean AUROC and AP of a suite's tests, in percent, with both halves and without, of its sets that have a window."""
    rows = [
        [100 * measure(truth, scores) for scores in (whole, rest) for measure in (auroc, average_precision)]
        for truth, whole, rest in _tests(folder, suite, seed)
    ]
    mean = np.mean(rows, axis=0).tolist()
    return dict(zip(("auroc", "ap", "auroc_without", "ap_without"), mean, strict=True)) | {"tests": float(len(rows))}


def _tests(folder: Path, suite: str, seed: int) -> Iterator[tuple[Truth, Floats, Floats]]:
    """Labels [N] of each test, and what the detector says of it with both halves [N] and without [N]."""
    if suite == "generated":
        for kind in generated.KINDS:
            split = generated.generate(kind, seed).split
            yield from _scored(as_batch(split.train), [(as_batch(split.test), split.truth)], seed)
    elif suite == "plant":
        rig = Plant(seed=seed, rigs=1)
        tests = []
        for day, kind in enumerate(plant.KINDS, 3):
            start = plant.START + timedelta(days=day)
            batch, faults = rig.stream(start, plant.STREAM_RECORDS, (kind,), plant.SPACING_RECORDS)
            truth = np.zeros(len(batch), bool)
            for fault in faults:
                truth[fault.rows] = True
            tests.append((batch, truth))
        yield from _scored(rig.history(plant.START, plant.HISTORY_RECORDS), tests, seed)
    elif suite == "tennessee-eastman":
        runs = tennessee_eastman(folder)
        yield from _scored(
            as_batch(runs.train), [(as_batch(rows), truth) for rows, truth in runs.faults.values()], seed
        )
    else:
        names, split_of = (skab_names, skab_split) if suite == "skab" else (server_names, server_split)
        for name in names(folder):
            split = split_of(folder, name)
            yield from _scored(as_batch(split.train), [(as_batch(split.test), split.truth)], seed)


def _scored(train: Batch, tests: list[tuple[Batch, Truth]], seed: int) -> Iterator[tuple[Truth, Floats, Floats]]:
    """Nothing where records are scored on their own: they have no state model."""
    if choose_window(train) == 1:
        return
    detector = trained(train, seed)
    for batch, truth in tests:
        parts = detector.read(encode(detector.context, batch))
        yield truth, np.asarray(parts["fused"], np.float64), without_halves(parts)


def without_halves(parts: dict[str, NDArray[np.float32]]) -> Floats:
    """[N] what all other components say together, of what a detector reads [N] by name."""
    rest = {name: part for name, part in parts.items() if name in SEQUENCE.weights and name not in State().scores}
    return np.asarray(SEQUENCE.mean(rest) + parts["novelty"], np.float64)


def as_batch(rows: Floats) -> Batch:
    """Rows [N, F] of one machine, a second apart."""
    schema = RecordSchema.model_validate(
        {"time": "at", "features": {f"x{column}": "numeric" for column in range(rows.shape[1])}}
    )
    columns = {name: rows[:, column] for column, name in enumerate(schema.numbers)}
    return batch_from_columns(schema, columns, times=np.arange(len(rows), dtype=np.int64) * _SECOND)
