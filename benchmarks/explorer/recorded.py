"""Seen before, and what would calm it, on records of real machines and of a process model that is not ours.

A run of SKAB -> a model of its first 400 records -> what it flags of each stretch that is labelled
Tennessee Eastman -> one model of the normal run -> what it flags of each fault, in parts
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.explorer.alarms import Alarm, alarms_of
from benchmarks.explorer.calmed import measure_calming
from benchmarks.explorer.seen_before import suggested
from benchmarks.latent.rigs import trained
from benchmarks.quality.datasets import skab_names, skab_split, tennessee_eastman
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.domain.fingerprint import fingerprint, vectors
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema

_PROMISE = AlertPolicy(false_alarm_rate=0.001)
_EVERY = 1
"""Of SKAB's runs one in so many."""
_PART = 80
"""Records of a fault of Tennessee Eastman that are taken for one alarm."""
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class LabelledStretch:
    """What somebody said was wrong, from row to row."""

    kind: str
    rows: NDArray[np.intp]
    entity: str = "machine"
    guilty: tuple[str, ...] = ()


def measure_recorded(folder: Path) -> dict[str, float]:
    """Of Tennessee Eastman the share of alarms whose most alike is of the same fault; of SKAB how often a cause is suggested, and
    is right, and how often five changes calm an alarm."""
    parts = list(_of_tennessee(folder))
    found = vectors([fingerprint(each.shares) for each in parts])
    likeness = found @ found.T
    np.fill_diagonal(likeness, -1)
    right = [parts[other].kind == each.kind for each, other in zip(parts, likeness.argmax(axis=1), strict=True)]
    numbers = {"similar_tennessee": float(np.mean(right)), "alarms_tennessee": float(len(parts))}
    alarms, calm = [], []
    for name in skab_names(folder)[::_EVERY]:
        detector, mine = _of_skab(folder, name)
        alarms += mine
        calm += [measure_calming(detector, [each], detector.threshold(_PROMISE)) for each in mine]
    told = suggested(alarms)
    return numbers | {
        "alarms_skab": float(len(alarms)),
        "suggested_right_skab": told["suggested_right"],
        "suggested_coverage_skab": told["suggested_coverage"],
        "whatif_ends_normal_skab": float(np.mean([each["whatif_ends_normal"] for each in calm])),
    }


def _of_tennessee(folder: Path) -> Iterator[Alarm]:
    runs = tennessee_eastman(folder)
    detector = trained(_records(runs.train), 0)
    threshold = detector.threshold(_PROMISE)
    for kind, (rows, truth) in runs.faults.items():
        faulty = np.flatnonzero(truth)
        parts = [LabelledStretch(kind, faulty[at : at + _PART]) for at in range(0, len(faulty), _PART)]
        yield from (each for each in alarms_of(detector, _records(rows), parts, threshold) if each is not None)


def _of_skab(folder: Path, name: str) -> tuple[SequenceDetector, list[Alarm]]:
    split = skab_split(folder, name)
    detector = trained(_records(split.train), 0)
    faulty = np.flatnonzero(split.truth)
    runs = np.split(faulty, np.flatnonzero(np.diff(faulty) > 1) + 1)
    kind = name.rsplit("-", 1)[0]
    test = _records(np.concatenate([split.train, split.test]))
    stretches = [LabelledStretch(kind, run + len(split.train)) for run in runs if len(run)]
    found = alarms_of(detector, test, stretches, detector.threshold(_PROMISE))
    return detector, [each for each in found if each is not None]


def _records(rows: NDArray[np.float64]) -> Batch:
    """A record a second of one machine, each column [N] a number."""
    names = [f"sensor-{number + 1}" for number in range(rows.shape[1])]
    schema = RecordSchema.model_validate(
        {"time": "at", "entity": "machine", "features": dict.fromkeys(names, "numeric")}
    )
    times = 1_700_000_000 * _SECOND + _SECOND * np.arange(len(rows), dtype=np.int64)
    columns = dict(zip(names, rows.T.astype(np.float32), strict=True))
    return batch_from_columns(schema, columns, entities=np.full(len(rows), "machine", object), times=times)
