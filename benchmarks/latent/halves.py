"""What both halves of a score are worth: the suites of sequences with them and without.

Left out, the rest is weighed anew. Every component is calibrated by itself, so that the others stay as they are, and what they
say together is ranked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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
    """Mean AUROC and AP of a suite's tests, in percent, with both halves and without, of its sets that have a window.

    Where a suite has normal records beside its tests, also which share of them has a surprise of 2 and of 3 or more: as the
    whole says, and as each half says; by a promise that is kept .01 and .001.
    """
    rows: list[list[float]] = []
    normal: list[dict[str, float]] = []
    for each in _sets(folder, suite, seed):
        if choose_window(each.train) == 1:  # records that are scored on their own have no state model here
            continue
        detector = trained(each.train, seed)
        for batch, truth in each.tests:
            parts = detector.read(encode(detector.context, batch))
            scores = np.asarray(parts["fused"], np.float64), without_halves(parts)
            rows.append([100 * measure(truth, one) for one in scores for measure in (auroc, average_precision)])
        if each.normal is not None:
            parts = detector.read(encode(detector.context, each.normal))
            normal.append(_exceedances(parts | {"whole": detector.calibration.composite.surprise(parts["fused"])}))
    mean = np.mean(rows, axis=0).tolist()
    return {
        **dict(zip(("auroc", "ap", "auroc_without", "ap_without"), mean, strict=True)),
        **{name: float(np.mean([one[name] for one in normal])) for name in (normal[0] if normal else ())},
        "tests": float(len(rows)),
    }


def _exceedances(parts: dict[str, NDArray[np.float32]]) -> dict[str, float]:
    """Shares of normal records beyond a surprise of 2 and of 3, by `<score>/<surprise>`."""
    return {
        f"{name}/{level}": float((parts[name] >= level).mean())
        for name in ("whole", *State().scores)
        for level in (2, 3)
    }


@dataclass(frozen=True, slots=True)
class _Set:
    """What a detector is trained on, and what it is asked of."""

    train: Batch
    tests: list[tuple[Batch, Truth]]
    normal: Batch | None = None
    """Later records without a fault."""


def _sets(folder: Path, suite: str, seed: int) -> Iterator[_Set]:
    if suite == "generated":
        for kind in generated.KINDS:
            stream = generated.generate(kind, seed)
            split = stream.split
            yield _Set(as_batch(split.train), [(as_batch(split.test), split.truth)], as_batch(stream.normal))
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
        fresh = rig.history(plant.START + timedelta(days=3 + len(plant.KINDS)), plant.HISTORY_RECORDS)
        yield _Set(rig.history(plant.START, plant.HISTORY_RECORDS), tests, fresh)
    elif suite == "tennessee-eastman":
        runs = tennessee_eastman(folder)
        tests = [(as_batch(rows), truth) for rows, truth in runs.faults.values()]
        yield _Set(as_batch(runs.train), tests, as_batch(runs.normal))
    else:
        names, split_of = (skab_names, skab_split) if suite == "skab" else (server_names, server_split)
        for name in names(folder):
            split = split_of(folder, name)
            yield _Set(as_batch(split.train), [(as_batch(split.test), split.truth)])


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
