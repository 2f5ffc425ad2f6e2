"""How far a number of a row lies from what the rest of the row predicts.

A payment of 700 is usual, and so is the grocer; it is not usual for this grocer. Near its neighbours in all other columns, it is
hardly farther from them than from those that cost 700 elsewhere.

    y_j = Phi^-1(share of normal values below x_j)            the number as a normal score
    r_j = y_j - E[y_j | all other columns]                    by ridge regression
    s_j = -log10 of the share of training rows whose r_j, out of fold, lies as far to that side
    s = max_j s_j - log10(2 F) - 2                            F numbers with two sides each
    score = s where s is at least `counts_from`, else 0

Skewed numbers, such as amounts of money, differ by factors between groups: as they are, the largest group would say how far off
a number of a small one may be. Their normal scores do not know the shape. A row counts only beyond what one normal row in a
hundred reaches, where there are numbers alone one in a thousand, so that the others are ordered as without it.

Among many numbers that hang together, one that is off is hidden from distances: it adds to a row's distance what all the others
add by chance. So numbers are asked of each other too, those of which the others tell most.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.affine import affine
from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import ROW_FOLDS, LearnedRows, Met, NormalRows
from latentwatch.detector.kernels import compiled_exactly
from latentwatch.detector.ridge import regress
from latentwatch.domain.model_choice import ModelChoice

_KNOTS = 256
"""Values whose normal scores are kept of each number."""
_FEWEST_ROWS = 200
"""Training rows below which none lies beyond one in a hundred to either side."""
_FROM, _STEP = 2.0, 0.125
"""Surprise of the first edge, and of one edge more than the one before."""
_DECADE = round(1 / _STEP)
"""Edges over which the last steepness is measured."""
_BEYOND = 3.0
"""How much more than the farthest training row a surprise may say, as steeply as over the last decade. Among 60 numbers the
farthest of 4,000 rows is no stranger than one row in a hundred is somewhere."""
_HARDLY = 1e-3
"""Residuals, in normal scores, that differ by less are alike."""
_SWEEPS = 3
"""Times that missing numbers are predicted one after the other; one is exact after the first."""
_MOST_LEFT = 0.5
"""Of a number's variance, what the others may leave untold if it is asked, where no words stand beside numbers."""
_FEWEST_AMONG_NUMBERS = 1_000
"""Training rows there: of fewer the farthest says so little of what lies beyond it that a promise would cost twice as much."""
_AMONG_NUMBERS = 1.0
"""`counts_from` there: normal rows contradict themselves in single numbers, more often than anomalies of other kinds do."""
_FEWEST_VALUES = 32
"""Values that such a number has; of a switch or a few steps the farthest residuals say nothing of what lies beyond them."""


@compiled_exactly
def _normal_scores(values: Floats, columns: NDArray[np.int64], known: Floats, scores: Floats, out: Floats) -> None:
    """Replace in rows `out` [N, P] the numbers [F] of `values` by their normal scores: linear between knots `known` [F, K] with
    `scores` [F, K], and no more than those of the outermost."""
    for n in range(values.shape[0]):
        for f in range(columns.shape[0]):
            value, knots = values[n, columns[f]], known[f]
            low, high = 0, knots.shape[0] - 1
            if value <= knots[low]:
                out[n, columns[f]] = scores[f, low]
                continue
            if value >= knots[high]:
                out[n, columns[f]] = scores[f, high]
                continue
            while high - low > 1:
                middle = (low + high) // 2
                if knots[middle] <= value:
                    low = middle
                else:
                    high = middle
            share = (value - knots[low]) / (knots[high] - knots[low])
            out[n, columns[f]] = scores[f, low] + share * (scores[f, high] - scores[f, low])


@compiled_exactly
def _predict_missing(present: Floats, weights: Floats, off: Floats) -> None:
    """Change residuals `off` [N, F] to those of rows whose missing numbers are what the others predict; by `present` [N, F] or
    [1, F], and what residuals change by [F, F] with a number. What they were filled with is not evidence against the others."""
    for n in range(off.shape[0]):
        there = present[n if present.shape[0] > 1 else 0]
        for _ in range(_SWEEPS):
            for f in range(off.shape[1]):
                if there[f] == 0.0:
                    amount = off[n, f]
                    for other in range(off.shape[1]):
                        off[n, other] -= weights[other, f] * amount
        for f in range(off.shape[1]):
            off[n, f] *= there[f]


@compiled_exactly
def _beyond_usual(residuals: Floats, edges: Floats, least: float, counts_from: float, out: Floats) -> None:
    """Fill `out` [N] with by how much the largest surprise of residuals [N, F], by edges [2, F, L], exceeds the least; with 0
    where by less than `counts_from`."""
    last = edges.shape[2] - 1
    for n in range(residuals.shape[0]):
        most = 0.0
        for f in range(residuals.shape[1]):
            size, side = abs(residuals[n, f]), edges[0 if residuals[n, f] > 0.0 else 1, f]
            if size <= side[0]:
                continue
            at = 0
            while at < last and size > side[at + 1]:
                at += 1
            surprise = _FROM + _STEP * at
            if at < last:
                surprise += _STEP * (size - side[at]) / (side[at + 1] - side[at])
            else:
                decade = max(side[last] - side[max(last - _DECADE, 0)], _HARDLY)
                surprise += min((size - side[last]) / decade, _BEYOND)
            most = max(most, surprise)
        out[n] = most - least if most - least >= counts_from else 0.0


@dataclass(frozen=True, slots=True)
class FittedPredictedNumbers:
    """What predicts each number, and how far normal rows lie off it."""

    columns: NDArray[np.int64]
    """[G] the columns that are numbers."""
    known: Floats
    """[G, K] values of each, increasing."""
    scores: Floats
    """[G, K] their normal scores."""
    asked: NDArray[np.int64]
    """[F] the columns that are predicted."""
    weights: Floats
    """[F, P] a row with normal scores times this, less `offset`: the residual."""
    offset: Floats
    """[F]"""
    edges: Floats
    """[2, F, L] how far residuals lie to the right and to the left at surprises 2, 2 1/8, ..."""
    counts_from: Floats
    """[1] decades beyond one in a hundred below which a row's score is 0."""
    unseen_weights: Floats
    """[K, F, P] `weights` by fold, learned from all others; K is 0 where nothing was learned."""
    unseen_offset: Floats
    """[K, F]"""
    unseen_edges: Floats
    """[K, 2, F, M] `edges` by fold, of the rows of all others."""

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N] at least 0"""
        off = self.residuals(self.standing(met.values), met.present, self.weights, self.offset)
        return {"predicted": self.beyond_usual(off, self.edges)}

    def standing(self, values: Floats) -> Floats:
        """[N, P] rows with normal scores in the place of their numbers."""
        out = values.copy()
        _normal_scores(values, self.columns, self.known, self.scores, out)
        return out

    def residuals(self, rows: Floats, present: Floats, weights: Floats, offset: Floats) -> Floats:
        """[N, F] what rows [N, P], as `standing` gives them, show less what their other columns predict; 0 where a number is
        missing."""
        off = affine(rows, np.ascontiguousarray(weights.T), -offset)
        if not present.all():
            _predict_missing(present[:, self.asked], np.ascontiguousarray(weights[:, self.asked]), off)
        return off

    def unseen(self, rows: Floats, learned: LearnedRows) -> Floats:
        """[N, F] residuals of training rows [N, P] as `standing` gives them, each by the regression of the other folds."""
        out = np.empty((len(rows), len(self.asked)), np.float32)
        for fold, (weights, offset) in enumerate(zip(self.unseen_weights, self.unseen_offset, strict=True)):
            inside = learned.folds == fold
            out[inside] = self.residuals(rows[inside], learned.met.present_of(inside), weights, offset)
        return out

    def beyond_usual(self, residuals: Floats, edges: Floats) -> Floats:
        """[N] the score of residuals [N, F] by edges [2, F, L]."""
        out = np.zeros(len(residuals), np.float32)
        if edges.size:
            least = _FROM + np.log10(2 * len(self.asked))
            _beyond_usual(residuals, edges, least, float(self.counts_from[0]), out)
        return out

    def unseen_beyond_usual(self, residuals: Floats, folds: NDArray[np.intp]) -> Floats:
        """[N] the score of training rows by residuals [N, F] as `unseen` gives them, each by the edges of the other folds [N].

        By edges that they set themselves no training rows lie beyond the farthest, where new ones do.
        """
        out = np.zeros(len(residuals), np.float32)
        for fold, edges in enumerate(self.unseen_edges):
            inside = folds == fold
            out[inside] = self.beyond_usual(residuals[inside], edges)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class PredictedNumbers:
    """How far the strangest number lies from what the rest of its row predicts."""

    name: str = "predicted"
    scores: tuple[str, ...] = ("predicted",)
    calibrated: tuple[str, ...] = ()
    stored_under: str = "predicted."

    def serves(self, normal: NormalRows) -> bool:
        """Where there are numbers that differ."""
        return bool(_numbers(normal).any())

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedPredictedNumbers:
        """Learn normal scores and regressions of all rows, and how far each row lies off that of the other folds."""
        met, normal = rows.met, rows.normal
        fitted = _nothing_asked(normal.width)
        if len(met) < (_FEWEST_ROWS if _words_beside(normal) else _FEWEST_AMONG_NUMBERS):
            return fitted
        columns = np.flatnonzero(_numbers(normal)).astype(np.int64)
        knots = [_knots(met.values[:, column]) for column in columns]
        known, scores = (np.stack([knot[side] for knot in knots]).astype(np.float32) for side in (0, 1))
        fitted = replace(fitted, columns=columns, known=known, scores=scores, asked=columns)
        standing = fitted.standing(met.values)
        weights, offset = _regression(standing, columns)
        others = [_regression(standing[rows.folds != fold], columns) for fold in range(ROW_FOLDS)]
        unseen_weights, unseen_offset = (np.stack([each[part] for each in others]) for part in (0, 1))
        off = replace(fitted, unseen_weights=unseen_weights, unseen_offset=unseen_offset).unseen(standing, rows)
        asked = _asked(off, standing[:, columns], normal)
        if not asked.any():
            return _nothing_asked(normal.width)
        off = off[:, asked]
        by_fold = [_edges(off[rows.folds != fold]) for fold in range(ROW_FOLDS)]
        told = min(each.shape[-1] for each in by_fold)
        return replace(
            fitted,
            asked=columns[asked],
            weights=weights[asked],
            offset=offset[asked],
            edges=_edges(off),
            counts_from=np.full(1, 0.0 if _words_beside(normal) else _AMONG_NUMBERS, np.float32),
            unseen_weights=unseen_weights[:, asked],
            unseen_offset=unseen_offset[:, asked],
            unseen_edges=np.stack([each[..., :told] for each in by_fold]),
        )

    def out_of_fold(self, fitted: FittedPredictedNumbers, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the regression and the edges of the other folds."""
        off = fitted.unseen(fitted.standing(rows.met.values), rows)
        return {"predicted": fitted.unseen_beyond_usual(off, rows.folds)}

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedPredictedNumbers:
        """The inverse of `arrays`."""
        fitted = FittedPredictedNumbers(**{each.name: arrays[each.name] for each in fields(FittedPredictedNumbers)})
        numbers, asked, folds = len(fitted.columns), len(fitted.asked), len(fitted.unseen_offset)
        fits = (
            (fitted.known.shape[:1], fitted.scores.shape) == ((numbers,), fitted.known.shape)
            and (fitted.weights.shape, fitted.offset.shape) == ((asked, normal.width), (asked,))
            and (fitted.edges.shape[:2], fitted.counts_from.shape) == ((2, asked), (1,))
            and (fitted.unseen_weights.shape, fitted.unseen_offset.shape)
            == ((folds, asked, normal.width), (folds, asked))
            and fitted.unseen_edges.shape[:3] == (folds, 2, asked)
        )
        if not fits or not {*fitted.asked.tolist()} <= {*fitted.columns.tolist()} <= {*range(normal.width)}:
            raise ValueError("what predicts numbers does not fit the rows")
        return fitted


def _nothing_asked(width: int) -> FittedPredictedNumbers:
    """Of rows of that many columns."""
    none = np.zeros(0, np.int64)
    values = np.zeros((0, _KNOTS), np.float32)
    return FittedPredictedNumbers(
        none,
        values,
        values,
        none,
        np.zeros((0, width), np.float32),
        np.zeros(0, np.float32),
        np.zeros((2, 0, 0), np.float32),
        np.zeros(1, np.float32),
        np.zeros((0, 0, width), np.float32),
        np.zeros((0, 0), np.float32),
        np.zeros((0, 2, 0, 0), np.float32),
    )


def _asked(off: Floats, standing: Floats, normal: NormalRows) -> NDArray[np.bool_]:
    """[F] which numbers are asked, by residuals [N, F] out of fold and normal scores [N, F]: where words stand beside numbers
    all, else those of many values of which the others tell most."""
    if _words_beside(normal):
        return np.ones(off.shape[1], bool)
    told = np.square(off).mean(axis=0) <= _MOST_LEFT * standing.var(axis=0)
    return np.asarray(told & [len(np.unique(column)) >= _FEWEST_VALUES for column in standing.T])


def _readings_of_owner(normal: NormalRows) -> NDArray[np.float64]:
    """[P] how many columns tell what the feature shows that a column belongs to: a number has one, words have several."""
    return np.asarray(np.bincount(normal.owners, weights=normal.readings)[normal.owners])


def _words_beside(normal: NormalRows) -> bool:
    """Whether features stand in several columns each, as words and times of day do."""
    return bool((_readings_of_owner(normal) > 1).any())


def _numbers(normal: NormalRows) -> NDArray[np.bool_]:
    """[P] columns that are a feature's only reading, and differ among normal rows."""
    differs = np.ptp(normal.rows, axis=0) > 0
    return np.asarray((normal.readings > 0) & (_readings_of_owner(normal) == 1) & differs)


def _knots(column: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Some values of a column [N], increasing, and their normal scores, those of equal values in the middle of their ranks;
    [K] each. The last is repeated where there are fewer."""
    from scipy.special import ndtri

    values, counts = np.unique(column, return_counts=True)
    scores = ndtri((np.cumsum(counts) - counts / 2) / len(column))
    # Dense at both ends, where few rows decide.
    ends = np.geomspace(1, max(len(values) // 2, 1), _KNOTS // 2).round().astype(np.intp) - 1
    some = np.unique(np.concatenate([ends, len(values) - 1 - ends]))
    missing = _KNOTS - len(some)
    padded = (np.pad(each[some], (0, missing), mode="edge") for each in (values.astype(np.float64), scores))
    return next(padded), next(padded)


def _regression(standing: Floats, columns: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Weights [F, P] and offset [F] of the residuals of rows [N, P], N >= 2: with A the inverse of their raised covariance and x
    a row less their mean, number c lies (A x)_c / A_cc from what the others predict."""
    learned = regress(standing)
    weights = learned.precision[columns] / learned.precision[columns, columns][:, None]
    return weights.astype(np.float32), (weights @ learned.mean).astype(np.float32)


def _edges(off: Floats) -> Floats:
    """[2, F, L] how far residuals [N, F] lie to the right and to the left at each surprise that N rows can tell."""
    count = len(off)
    surprises = np.arange(_FROM, np.log10(count + 1), _STEP)
    ranks = np.maximum(np.floor(10.0**-surprises * (count + 1)).astype(np.intp) - 1, 0)
    falling = (np.sort(np.maximum(side, 0.0), axis=0)[::-1] for side in (off, -off))
    return np.stack([np.ascontiguousarray(side[ranks].T) for side in falling])
