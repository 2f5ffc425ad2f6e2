"""Which scored records are flagged, and on what grounds: a threshold, what people say matters of each feature, and what
they say is normal.

Scores [N] + threshold + FeatureRules + Exceptions -> rows, the Grounds of each, and the records that exceptions let pass

Of most records this is one comparison. Those that reach the threshold are scored again, to leave out what is only memory of
something that has ended. With rules, limits are looked up in every record; what does not count of a feature, and what is
excepted, is left out of flagged records by another score.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.exceptions import Claim, claims, without
from latentwatch.detector.interface import Contexts, Detector
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions, KeepsAlarming
from latentwatch.domain.importance import Direction
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import NO_GROUNDS, Crossing, FeatureRules, Grounds
from latentwatch.domain.schema import Feature
from latentwatch.domain.scores import Scores, flag
from latentwatch.domain.steps import ASKS, PASSES

Rows: TypeAlias = NDArray[np.intp]


class Decision(NamedTuple):
    """What is said of N scored records."""

    rows: Rows
    """Those that are flagged, in order."""
    grounds: tuple[Grounds, ...]
    """What rules and exceptions had to do with each of those."""
    excepted: dict[int, int]
    """Row to the exception that let it pass, of those that would be flagged without."""


def decide(
    detector: Detector,
    rules: FeatureRules,
    threshold: float,
    batch: Batch,
    contexts: Contexts,
    scores: Scores,
    exceptions: Exceptions = NO_EXCEPTIONS,
) -> Decision:
    """Which records are flagged, and why.

    A record is flagged where a value crosses a limit, or where its surprise reaches the threshold and still does so when
    what has ended is left out, and when what does not count or is excepted is taken for what the other features predict. A
    limit that somebody set counts whatever is excepted. A group of records may have a threshold of its own. Of a change that lasts until it is usual one record asks, and the
    others pass until it is answered.
    """
    thresholds = exceptions.thresholds(threshold, batch)
    rows = flag(scores, thresholds)
    passes, asks = in_steps(batch, scores, exceptions)
    rows = rows[~passes[rows]]
    if len(rows):
        ongoing = detector.ongoing(batch.take(rows), contexts.take(rows), scores.take(rows))
        rows = rows[ongoing >= thresholds[rows].astype(np.float32)]
    rows = np.union1d(rows, np.flatnonzero(asks))
    if not rules and not exceptions:
        return Decision(rows, (NO_GROUNDS,) * len(rows), {})
    grounds, excepted = _second_scores(detector, rules, thresholds, batch, contexts, rows, exceptions)
    raised = np.flatnonzero((thresholds > threshold) & ~passes)
    for row in raised[flag(scores.take(raised), threshold)].tolist():
        if row not in grounds:
            excepted[row] = next(exceptions.that_raise(batch.take(np.array([row]))))
    for row, crossed in _crossings(rules, batch).items():
        known = grounds.get(row, NO_GROUNDS)
        grounds[row] = Grounds(tuple(crossed), known.discounted, known.remaining)
        excepted.pop(row, None)
    flagged = sorted(grounds)
    return Decision(np.array(flagged, np.intp), tuple(grounds[row] for row in flagged), excepted)


def in_steps(batch: Batch, scores: Scores, exceptions: Exceptions) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[N] which records are at a level that was asked about, and [N] which ask; none where it is to go on alarming."""
    passes, asks = scores.step == PASSES, scores.step == ASKS
    if passes.any() or asks.any():
        for one in exceptions:
            if isinstance(one.form, KeepsAlarming):
                kept = one.covers(batch)
                passes, asks = passes & ~kept, asks & ~kept
    return passes, asks


def _second_scores(
    detector: Detector,
    rules: FeatureRules,
    thresholds: NDArray[np.float64],
    batch: Batch,
    contexts: Contexts,
    rows: Rows,
    exceptions: Exceptions,
) -> tuple[dict[int, Grounds], dict[int, int]]:
    """The grounds of flagged rows that stay flagged, and the exceptions that let others pass."""
    grounds = dict.fromkeys(rows.tolist(), NO_GROUNDS)
    if not len(rows) or not (rules.graded or exceptions):
        return grounds, {}
    mine, around, thresholds = batch.take(rows), contexts.take(rows), thresholds[rows]
    found = claims(detector, exceptions, mine, around)
    graded = [feature.name for feature in rules.graded]
    names = list(dict.fromkeys([*graded, *(name for claim in found for name in claim.features)]))
    if not names:
        return grounds, {}
    small = np.zeros((len(rows), len(names)), bool)
    if graded:
        small[:, : len(graded)] = _small(detector, rules, mine, around)
    counting = without(detector, mine, around, names, small)
    left = np.logical_or.reduce([small, *(claim.left(names) for claim in found)])
    asked = (left != small).any(axis=1) & (counting >= thresholds)
    left[~asked] = small[~asked]
    remaining = counting.copy()
    remaining[asked] = without(detector, mine.take(asked), around.take(asked), names, left[asked])

    def alone(claim: Claim, place: int) -> bool:
        one, gone = np.array([place]), small[[place]] | claim.left(names)[[place]]
        return bool(without(detector, mine.take(one), around.take(one), names, gone)[0] < thresholds[place])

    excepted: dict[int, int] = {}
    for place, row in enumerate(rows.tolist()):
        rest = float(remaining[place])
        if rest < thresholds[place]:
            del grounds[row]
            if asked[place]:
                covering = [claim for claim in found if claim.covered[place]]
                enough = (claim for claim in covering if len(covering) > 1 and alone(claim, place))
                excepted[row] = next(enough, covering[0]).id
        elif np.isfinite(rest):
            told = tuple(name for name, gone in zip(names, left[place].tolist(), strict=True) if gone)
            grounds[row] = Grounds(discounted=told, remaining=rest)
    return grounds, excepted


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


def _small(detector: Detector, rules: FeatureRules, mine: Batch, around: Contexts) -> NDArray[np.bool_]:
    """[N, K] which deviations of the graded features do not count."""
    names = [feature.name for feature in rules.graded]
    off = detector.deviations(mine, around, names)
    shown = mine.numbers[:, [mine.schema.numbers.index(name) for name in names]]
    return np.stack([does_not_count(*each) for each in zip(rules.graded, off.T, shown.T, strict=True)], axis=1)


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
