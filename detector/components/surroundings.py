"""How far a row lies from the mean of the normal rows nearest to it, measured by how normal rows lie off theirs.

A direction in which normal rows hardly differ from their neighbours counts for more: there the neighbours' mean says what a
row should have been.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import ROW_FOLDS, SHOWN, LearnedRows, Met, NormalRows
from latentwatch.detector.components.offset_spread import OffsetSpread, fit_spread
from latentwatch.domain.model_choice import ModelChoice


@dataclass(frozen=True, slots=True)
class FittedSurroundings:
    """How normal rows lie off the mean of their nearest."""

    normal: NormalRows
    spread: OffsetSpread
    without: tuple[OffsetSpread, ...]
    """By fold: of the rows of all others."""

    def rebuilt(self, met: Met) -> Floats:
        """[N, P] the mean of each row's nearest."""
        return mean_of_nearest(self.normal, met)

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N]"""
        return {"surroundings": self.spread.anomaly_score(met.values - self.rebuilt(met), met.present)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        out = prefixed("spread.", self.spread.arrays())
        for fold, spread in enumerate(self.without):
            out |= prefixed(f"without.{fold}.", spread.arrays())
        return out


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The distance from the mean of the nearest normal rows, in the metric of their own."""

    name: str = "surroundings"
    scores: tuple[str, ...] = ("surroundings",)
    calibrated: tuple[str, ...] = ()
    stored_under: str = "surroundings."

    def serves(self, normal: NormalRows) -> bool:
        """Every row meets some."""
        return True

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedSurroundings:
        """Measure the spread of all rows, and of all but each fold."""
        normal, met = rows.normal, rows.met
        off = (met.values - mean_of_nearest(normal, met)) * met.present
        without = [off[rows.folds != fold] for fold in range(ROW_FOLDS)]
        return FittedSurroundings(
            normal,
            fit_spread(off, normal.readings, normal.smallest),
            tuple(fit_spread(others if len(others) else off, normal.readings, normal.smallest) for others in without),
        )

    def out_of_fold(self, fitted: FittedSurroundings, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the spread of the other folds; no row is its own neighbour."""
        out, met = np.empty(len(rows.met), np.float32), rows.met
        off = met.values - fitted.rebuilt(met)
        for fold, spread in enumerate(fitted.without):
            inside = rows.folds == fold
            out[inside] = spread.anomaly_score(off[inside], met.present_of(inside))
        return {"surroundings": out}

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedSurroundings:
        """The inverse of `arrays`."""
        spread = OffsetSpread.from_bundle(below(arrays, "spread."), normal.width)
        without = (OffsetSpread.from_bundle(below(arrays, f"without.{f}."), normal.width) for f in range(ROW_FOLDS))
        return FittedSurroundings(normal, spread, tuple(without))


def mean_of_nearest(normal: NormalRows, met: Met) -> Floats:
    """[N, P] the mean of the few normal rows nearest to each."""
    out: Floats = normal.rows[met.nearest[:, 0]]
    for place in range(1, SHOWN):
        out += normal.rows[met.nearest[:, place]]
    out *= np.float32(1.0 / SHOWN)
    return out
