"""What the other features of a row predict of each, by ridge regression: evidence for whose reading breaks a relation.

A feature that is wrong and can be predicted stands far from what is predicted, in standard deviations of what is left, also
where the whole row lies in a strange place. With P the inverse of the covariance of normal rows, raised by a ridge, and x a
row less their mean, a feature with the columns g stands off by (Px)_g' P_gg^-1 (Px)_g: what x'Px would fall by if those
columns were free (Alcala and Qin 2009). Of a normal row that is as large as the feature has columns, on average.

Where normal rows lie on a bend, a straight relation blames the wrong feature. So it is asked whether ridge regression
predicts features about as well as the normal rows nearest in everything else do; where not, nothing is learned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.ridge import regress, varies
from latentwatch.detector.rows.features import Features
from latentwatch.detector.rows.gaps import fill_gaps
from latentwatch.detector.spread import spread_over
from latentwatch.domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]
FEWEST_ROWS = 16
"""Normal rows below which nothing is learned."""
MOST_ASKED = 128
"""Rows on which both ways of predicting are compared."""
MOST_FEATURES = 32
"""Features that are predicted for it."""
MOST_NEAR = 512
"""Rows among which the nearest are looked for."""
STRAIGHT = 0.45
"""Linear relations are used where

    nearest / (nearest + ridge) >= STRAIGHT

with the squared errors of both predictions. It is .5 where nothing can be predicted, and was .3 or less on bent relations."""


@dataclass(frozen=True, slots=True)
class RowRelations:
    """Straight relations between the columns of a row; none where `weights` is empty."""

    weights: Floats
    """[P, P] a row times this, less `offset`: what each column stands off by, uncorrelated within a feature; [0, 0] for none."""
    offset: Floats
    """[P]"""

    @classmethod
    def none(cls) -> Self:
        """Nothing is predicted."""
        return cls(np.zeros((0, 0), np.float32), np.zeros(0, np.float32))

    def beyond_usual(self, values: Floats, features: Features) -> Floats:
        """[N, F] by how much each feature of rows [N, P] stands off more than a normal row's does on average; at least 0."""
        out = np.zeros((len(values), len(features.schema.names)), np.float32)
        if len(self.weights):
            squares = np.square(values @ self.weights - self.offset) - features.readings
            for column, owner in enumerate(features.owners):
                out[:, owner] += squares[:, column]
        return np.maximum(out, 0.0, out=out)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"weights": self.weights, "offset": self.offset}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> Self:
        """The inverse of `arrays`, for rows of `width` columns."""
        weights, offset = arrays["weights"], arrays["offset"]
        if (weights.shape, offset.shape) not in (((width, width), (width,)), ((0, 0), (0,))):
            raise BundleRefused("the relations between features have a wrong shape; the bundle is damaged: train again")
        return cls(weights, offset)


def fit_relations(rows: Floats, features: Features) -> RowRelations:
    """Learn the relations of normal rows [M, P], or none where they are not straight.

    Columns that only say whether a value is missing are left out: it is rare, so that it would outweigh everything.
    """
    columns = np.flatnonzero(features.readings)
    if len(rows) < FEWEST_ROWS or not _straight(rows, features, columns):
        return RowRelations.none()
    learned = regress(rows[:, columns])
    precision = learned.precision
    standing = np.zeros_like(precision)
    for own in _groups(features.owners[columns]):
        spread, axes = np.linalg.eigh(precision[np.ix_(own, own)])
        standing[:, own] = precision[:, own] @ (axes / np.sqrt(np.maximum(spread, 1e-12)))
    weights, offset = np.zeros((rows.shape[1], rows.shape[1]), np.float32), np.zeros(rows.shape[1], np.float32)
    weights[np.ix_(columns, columns)] = standing
    offset[columns] = learned.mean @ standing
    return RowRelations(weights, offset)


def _straight(rows: Floats, features: Features, columns: NDArray[np.intp]) -> bool:
    """Whether ridge regression predicts features about as well as the nearest rows do. Each half of the rows predicts
    some of the other's."""
    groups = [own for own in _groups(features.owners[columns]) if varies(rows[:, columns[own]])]
    groups = [groups[at] for at in spread_over(len(groups), MOST_FEATURES)]
    first = np.random.default_rng(len(rows)).permutation(len(rows)) % 2 == 0
    shares: list[float] = []
    for known, others in ((rows[first], rows[~first]), (rows[~first], rows[first])):
        asked = others[spread_over(len(others), MOST_ASKED // 2)]
        shares += _errors(known, asked, features.owners, columns, groups)
    return bool(shares) and float(np.mean(shares)) >= STRAIGHT


def _errors(
    known: Floats, asked: Floats, owners: NDArray[np.intp], columns: NDArray[np.intp], groups: list[NDArray[np.intp]]
) -> list[float]:
    """By feature: of the squared errors with which rows [M, P] predict it in others [N, P], by ridge regression and by the
    nearest, the share of the nearest's."""
    learned = regress(known[:, columns])
    pull, near = (asked[:, columns] - learned.mean) @ learned.precision, known[spread_over(len(known), MOST_NEAR)]
    shares = []
    for own in groups:
        off = pull[:, own] @ np.linalg.inv(learned.precision[np.ix_(own, own)])
        left = np.broadcast_to(owners != owners[columns[own[0]]], asked.shape).astype(np.float32)
        aside = (asked - fill_gaps(asked, left, near))[:, columns[own]]
        by_ridge, by_rows = float(np.square(off).sum()), float(np.square(aside).sum())
        shares.append((by_rows + 1e-9) / (by_rows + by_ridge + 2e-9))
    return shares


def _groups(owners: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The places of each feature's columns."""
    return [np.flatnonzero(owners == feature) for feature in np.unique(owners)]
