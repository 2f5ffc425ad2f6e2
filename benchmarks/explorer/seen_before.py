"""Whether alarms like one are of its kind."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.explorer.alarms import Alarm
from latentwatch.detector.faults import FaultKind
from latentwatch.detector.likeness_map import placed
from latentwatch.domain.fingerprint import fingerprint, vectors
from latentwatch.review.likeness import SAME, looks_tell, most_alike

PHYSICAL = frozenset(
    {
        FaultKind.VALVE_CLOSING,
        FaultKind.CAVITATION,
        FaultKind.BEARING_WEAR,
        FaultKind.LEAK,
        FaultKind.CONSTANT_MOVES,
    }
)
"""Kinds that are something's fault and not a sensor's."""
_MANY = 100_000


def measure_likeness(alarms: Sequence[Alarm], retrained: Sequence[Alarm | None]) -> dict[str, float]:
    """Shares of alarms whose most alike of another entity is of their kind: whole, of the first record alone, and by the
    fingerprints of a retrained version (`retrained`, in the same order) against those of the first."""
    whole = [each.shares for each in alarms]
    physical = np.array([each.kind in PHYSICAL for each in alarms])
    again = [(row, each.shares) for row, each in enumerate(retrained) if each is not None]
    right = _right(alarms, range(len(alarms)), whole)
    return {
        "similar_kind": float(right.mean()),
        "similar_physical": float(right[physical].mean()),
        "similar_first_record": float(_right(alarms, range(len(alarms)), [each.at_first for each in alarms]).mean()),
        "similar_after_retrain": float(_right(alarms, [row for row, _ in again], [one for _, one in again]).mean()),
        **suggested(alarms),
        "incident_map_kind": _right_on_the_map(alarms),
    }


def _right_on_the_map(alarms: Sequence[Alarm]) -> float:
    """Share of alarms whose nearest of another entity, on the map of all placed together once, is of their kind."""
    places = placed(vectors([fingerprint(each.shares) for each in alarms]), np.full((len(alarms), 2), np.nan))
    away = np.linalg.norm(places[:, None] - places[None], axis=2)
    for row, alarm in enumerate(alarms):
        away[row, [other.entity == alarm.entity for other in alarms]] = np.inf
    nearest = away.argmin(axis=1)
    return float(np.mean([alarms[other].kind == alarm.kind for alarm, other in zip(alarms, nearest, strict=True)]))


def _right(alarms: Sequence[Alarm], rows: Sequence[int], asked: Sequence[Mapping[str, float]]) -> np.ndarray:
    """[N] whether the first neighbour of each question is of the kind of its alarm."""
    found = vectors([*(fingerprint(each.shares) for each in alarms), *(fingerprint(each) for each in asked)])
    likeness = found[len(alarms) :] @ found[: len(alarms)].T
    for at, row in enumerate(rows):
        likeness[at, [other.entity == alarms[row].entity for other in alarms]] = -1
    nearest = likeness.argmax(axis=1)
    return np.array([alarms[other].kind == alarms[row].kind for row, other in zip(rows, nearest, strict=True)])


def suggested(alarms: Sequence[Alarm]) -> dict[str, float]:
    """In the order of time, each alarm labelled with its kind: how often a cause is suggested, and is right."""
    found = vectors([fingerprint(each.shares) for each in alarms])
    answered, right = 0, 0
    for row in range(1, len(alarms)):
        likeness = found[:row] @ found[row]
        best = int(likeness.argmax())
        known = [each.kind for each in alarms[:row]]
        if likeness[best] >= SAME and looks_tell(found[:row], known, [None] * row):
            answered += 1
            right += alarms[best].kind == alarms[row].kind
    return {
        "suggested_right": right / answered if answered else float("nan"),
        "suggested_coverage": answered / max(1, len(alarms) - 1),
    }


def measure_speed() -> float:
    """Milliseconds to find the five most alike of 100,000 alerts of 24 features, the median of twenty."""
    random = np.random.default_rng(0)
    directions = random.random((_MANY, 24), np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    taken = []
    for row in range(20):
        begun = time.perf_counter()
        most_alike(directions, directions[row], 5)
        taken.append(1000 * (time.perf_counter() - begun))
    return float(np.median(taken))
