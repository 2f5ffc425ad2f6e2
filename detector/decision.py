"""Which scored records are flagged, and on what grounds: a threshold, and what people say matters of each feature.

Scores [N] + threshold + FeatureRules -> rows, and the Grounds of each

Of most records this is one comparison. Those that reach the threshold are scored again, to leave out what is only memory of
something that has ended. With rules, limits are looked up in every record, and what does not count of a feature is left out
by another score.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.domain.importance import Direction
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import NO_GROUNDS, Crossing, FeatureRules, Grounds
from latentwatch.domain.schema import Feature
from latentwatch.domain.scores import Scores, flag

Rows: TypeAlias = NDArray[np.intp]


def decide(
    detector: Detector, rules: FeatureRules, threshold: float, batch: Batch, contexts: Contexts, scores: Scores
) -> tuple[Rows, tuple[Grounds, ...]]:
    """Rows that are flagged, in order, and what rules had to do with each.

    A record is flagged where a value crosses a limit, or where its surprise reaches the threshold and still does so when
    what has ended is left out, and when what does not count is taken for what the other features predict.
    """
    rows = flag(scores, threshold)
    if len(rows):
        ongoing = detector.ongoing(batch.take(rows), contexts.take(rows), scores.take(rows))
        rows = rows[ongoing >= threshold]
    if not rules:
        return rows, (NO_GROUNDS,) * len(rows)
    grounds = dict.fromkeys(rows.tolist(), NO_GROUNDS)
    for row, discounted, remaining in _discounted(detector, rules, batch, contexts, rows):
        if remaining >= threshold:
            grounds[row] = Grounds(discounted=discounted, remaining=remaining)
        else:
            del grounds[row]
    for row, crossed in _crossings(rules, batch).items():
        known = grounds.get(row, NO_GROUNDS)
        grounds[row] = Grounds(tuple(crossed), known.discounted, known.remaining)
    flagged = sorted(grounds)
    return np.array(flagged, np.intp), tuple(grounds[row] for row in flagged)


def _crossings(rules: FeatureRules, batch: Batch) -> dict[int, list[Crossing]]:
    """The limits that each row crosses, of those that cross any."""
    found: dict[int, list[Crossing]] = {}
    for feature in rules.limited:
        values = batch.numbers[:, batch.schema.numbers.index(feature.name)]
        for limit, beyond in (
            (feature.alarm_above, values > np.float32(_or_nan(feature.alarm_above))),
            (feature.alarm_below, values < np.float32(_or_nan(feature.alarm_below))),
        ):
            for row in np.flatnonzero(beyond).tolist():
                crossing = Crossing(feature.name, float(values[row]), float(limit or 0.0), feature.unit)
                found.setdefault(row, []).append(crossing)
    return found


def _or_nan(limit: float | None) -> float:
    """Nothing is above or below NaN."""
    return float("nan") if limit is None else limit


def _discounted(
    detector: Detector, rules: FeatureRules, batch: Batch, contexts: Contexts, rows: Rows
) -> list[tuple[int, tuple[str, ...], float]]:
    """Row, features whose deviation does not count and the surprise without it, of those rows that have any."""
    if not (rules.graded and len(rows)):
        return []
    names = [feature.name for feature in rules.graded]
    mine, around = batch.take(rows), contexts.take(rows)
    off = detector.deviations(mine, around, names)
    shown = mine.numbers[:, [mine.schema.numbers.index(name) for name in names]]
    left = np.stack([does_not_count(*each) for each in zip(rules.graded, off.T, shown.T, strict=True)], axis=1)
    some = np.flatnonzero(left.any(axis=1))
    if not len(some):
        return []
    again = detector.score_without(mine.take(some), around.take(some), names, left[some])
    return [
        (int(rows[row]), tuple(name for name, out in zip(names, left[row], strict=True) if out), float(remaining))
        for row, remaining in zip(some.tolist(), again.surprise.tolist(), strict=True)
    ]


def does_not_count(feature: Feature, off: NDArray[np.float64], shown: NDArray[np.float32]) -> NDArray[np.bool_]:
    """[N] whether a deviation is in the wrong direction or too small. A missing value is another matter, and counts."""
    least, share = feature.smallest
    with np.errstate(invalid="ignore"):
        small = np.abs(off) < np.maximum(least, share * np.abs(shown - off))
        if feature.direction is Direction.UP:
            small |= off <= 0
        elif feature.direction is Direction.DOWN:
            small |= off >= 0
    return np.asarray(small & np.isfinite(off), bool)
