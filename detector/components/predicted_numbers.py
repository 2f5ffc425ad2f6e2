"""How far a number of a row lies from what the rest of the row predicts.

A payment of 700 is usual, and so is the grocer; it is not usual for this grocer. Near its neighbours in all other columns, it is
hardly farther from them than from those that cost 700 elsewhere.

    y_j = Phi^-1(share of normal values below x_j)            the number as a normal score
    r_j = y_j - E[y_j | all other columns]                    by ridge regression
    s_j = -log10 of the share of training rows whose r_j, out of fold, lies as far to that side
    score = max(0, max_j s_j - log10(2 F) - 2)                F numbers with two sides each

Skewed numbers, such as amounts of money, differ by factors between groups: as they are, the largest group would say how far off
a number of a small one may be. Their normal scores do not know the shape. A row counts only beyond what one normal row in a
hundred reaches, so that the others are ordered as without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
_BEYOND = 1.0
"""How much more than the farthest training row a surprise may say, as steeply as over the last decade."""
_HARDLY = 1e-3
"""Residuals, in normal scores, that differ by less are alike."""
_BY_FOLD = ("unseen_weights", "unseen_offset")


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
def _residuals(
    rows: Floats, present: Floats, columns: NDArray[np.int64], weights: Floats, offset: Floats, out: Floats
) -> None:
    """Fill `out` [N, F] with what rows [N, P] show less what their other columns predict; 0 where a number is missing."""
    for n in range(rows.shape[0]):
        there = present[n if present.shape[0] > 1 else 0]
        for f in range(columns.shape[0]):
            off = -offset[f]
            for j in range(rows.shape[1]):
                off += weights[f, j] * rows[n, j]
            out[n, f] = off * there[columns[f]]


@compiled_exactly
def _beyond_usual(residuals: Floats, edges: Floats, least: float, out: Floats) -> None:
    """Fill `out` [N] with by how much the largest surprise of residuals [N, F], by edges [2, F, L], exceeds the least."""
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
        out[n] = max(most - least, 0.0)


@dataclass(frozen=True, slots=True)
class FittedPredictedNumbers:
    """What predicts each number, and how far normal rows lie off it."""

    columns: NDArray[np.int64]
    """[F] the columns that are predicted."""
    known: Floats
    """[F, K] values of each, increasing."""
    scores: Floats
    """[F, K] their normal scores."""
    weights: Floats
    """[F, P] a row with normal scores times this, less `offset`: the residual."""
    offset: Floats
    """[F]"""
    edges: Floats
    """[2, F, L] how far residuals lie to the right and to the left at surprises 2, 2 1/8, ..."""
    unseen_weights: Floats
    """[K, F, P] `weights` by fold, learned from all others; K is 0 where nothing was learned."""
    unseen_offset: Floats
    """[K, F]"""

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N] at least 0"""
        return {"predicted": self.beyond_usual(self.residuals(self.standing(met.values), met.present))}

    def standing(self, values: Floats) -> Floats:
        """[N, P] rows with normal scores in the place of their numbers."""
        out = values.copy()
        _normal_scores(values, self.columns, self.known, self.scores, out)
        return out

    def residuals(self, rows: Floats, present: Floats) -> Floats:
        """[N, F] of rows [N, P] as `standing` gives them."""
        out = np.empty((len(rows), len(self.columns)), np.float32)
        _residuals(rows, present, self.columns, self.weights, self.offset, out)
        return out

    def unseen(self, rows: Floats, learned: LearnedRows) -> Floats:
        """[N, F] residuals of training rows [N, P] as `standing` gives them, each by the regression of the other folds."""
        out = np.empty((len(rows), len(self.columns)), np.float32)
        for fold, (weights, offset) in enumerate(zip(self.unseen_weights, self.unseen_offset, strict=True)):
            inside = learned.folds == fold
            part = np.empty((int(inside.sum()), len(self.columns)), np.float32)
            present = learned.met.present_of(inside)
            _residuals(np.ascontiguousarray(rows[inside]), present, self.columns, weights, offset, part)
            out[inside] = part
        return out

    def beyond_usual(self, residuals: Floats) -> Floats:
        """[N] the score of residuals [N, F]."""
        out = np.zeros(len(residuals), np.float32)
        if self.edges.size:
            _beyond_usual(residuals, self.edges, _FROM + np.log10(2 * len(self.columns)), out)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores: of what nothing was learned by fold, as in bundles from before, no folds."""
        stored = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: array for name, array in stored.items() if name not in _BY_FOLD or len(array)}


@dataclass(frozen=True, slots=True)
class PredictedNumbers:
    """How far the strangest number lies from what the rest of its row predicts."""

    name: str = "predicted"
    scores: tuple[str, ...] = ("predicted",)
    calibrated: tuple[str, ...] = ()
    stored_under: str = "predicted."

    def serves(self, normal: NormalRows) -> bool:
        """Where words stand beside numbers. Where all columns are numbers it ranks tables no better: docs/experiments.md."""
        return bool(_numbers(normal).any()) and bool((_readings_of_owner(normal) > 1).any())

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedPredictedNumbers:
        """Learn normal scores and regressions of all rows, and how far each row lies off that of the other folds."""
        met, normal = rows.met, rows.normal
        columns = np.flatnonzero(_numbers(normal)).astype(np.int64)
        count = len(columns)
        knots = [_knots(met.values[:, column]) for column in columns]
        known, scores = (np.stack([knot[side] for knot in knots]).astype(np.float32) for side in (0, 1))
        none = [np.zeros(shape, np.float32) for shape in ((count, normal.width), count, (2, count, 0))]
        no_folds = [np.zeros((0, *each.shape), np.float32) for each in none[:2]]
        fitted = FittedPredictedNumbers(columns, known, scores, *none, *no_folds)
        if len(met) < _FEWEST_ROWS:
            return fitted
        standing = fitted.standing(met.values)
        weights, offset = _regression(standing, columns)
        others = [_regression(standing[rows.folds != fold], columns) for fold in range(ROW_FOLDS)]
        by_fold = (np.stack([each[part] for each in others]) for part in (0, 1))
        fitted = FittedPredictedNumbers(columns, known, scores, weights, offset, none[2], *by_fold)
        off = fitted.unseen(standing, rows)
        edges = np.stack([_edges(np.sort(np.maximum(side, 0.0), axis=0)[::-1]) for side in (off, -off)])
        return replace(fitted, edges=edges)

    def out_of_fold(self, fitted: FittedPredictedNumbers, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the regression of the other folds."""
        if not fitted.edges.size:
            return {"predicted": np.zeros(len(rows.met), np.float32)}
        return {"predicted": fitted.beyond_usual(fitted.unseen(fitted.standing(rows.met.values), rows))}

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedPredictedNumbers:
        """The inverse of `arrays`. Only training asks for what was learned by fold."""
        no_folds = {name: np.zeros((0, *arrays[name.removeprefix("unseen_")].shape), np.float32) for name in _BY_FOLD}
        stored = {**no_folds, **arrays}
        fitted = FittedPredictedNumbers(*(stored[each.name] for each in fields(FittedPredictedNumbers)))
        count = len(fitted.columns)
        fits = (fitted.known.shape[0], fitted.offset.shape, fitted.edges.shape[:2]) == (count, (count,), (2, count))
        by_fold = (fitted.unseen_weights.shape[1:], fitted.unseen_offset.shape[1:])
        if not fits or fitted.known.shape != fitted.scores.shape or fitted.weights.shape != (count, normal.width):
            raise ValueError("what predicts numbers does not fit the rows")
        if by_fold != (fitted.weights.shape, (count,)) or len(fitted.unseen_weights) != len(fitted.unseen_offset):
            raise ValueError("what predicts numbers out of fold does not fit the rows")
        return fitted


def _readings_of_owner(normal: NormalRows) -> NDArray[np.float64]:
    """[P] how many columns tell what the feature shows that a column belongs to: a number has one, words have several."""
    return np.asarray(np.bincount(normal.owners, weights=normal.readings)[normal.owners])


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


def _edges(falling: Floats) -> Floats:
    """[F, L] how far residuals to one side, given falling by column [N, F], lie at each surprise that N rows can tell."""
    count = len(falling)
    surprises = np.arange(_FROM, np.log10(count + 1), _STEP)
    ranks = np.floor(10.0**-surprises * (count + 1)).astype(np.intp) - 1
    return np.ascontiguousarray(falling[np.maximum(ranks, 0)].T)
