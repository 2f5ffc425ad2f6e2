"""Trains a row model and judges its own training rows as if it had never seen them, for calibration.

Rows [N, P] -> FittedRows: a RowModel, and out-of-fold anomaly scores [N] at each kind of work
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import ROW_FOLDS, SHOWN, LearnedRows, Met, NormalRows
from latentwatch.detector.fitted_recipe import fit_components
from latentwatch.detector.latent.examples import Landmarks
from latentwatch.detector.neighbours import build_memory
from latentwatch.detector.recipes import ALONE
from latentwatch.detector.rows.ceiling import ENOUGH, LIFTING, ceiling_of
from latentwatch.detector.rows.features import Features, Rows
from latentwatch.detector.rows.gaps import fill_gaps
from latentwatch.detector.rows.model import STUDY, AnomalyScores, RowModel, Work, prepared, take_rows
from latentwatch.detector.rows.row_map import HeldPlaces
from latentwatch.detector.spread import spread_over
from latentwatch.domain.model_choice import ModelChoice

LARGEST_MEMORY = 10_000
"""Normal rows that are kept; of more, so many are drawn at random."""
MOST_ROWS = 40_000
"""Rows that training looks at; of more, so many are drawn at random."""
SCALE_ROWS = 3_000
"""Rows whose neighbours decide how columns are scaled."""
CAREFUL = 12
"""Probes where a search is done once, in training."""


@dataclass(frozen=True, slots=True)
class FittedRows:
    """A trained model and its own training rows."""

    model: RowModel
    values: Floats
    """[N, P] the training rows, prepared."""
    present: Floats
    """[N, P] or [1, P]"""
    place: NDArray[np.int64]
    """[N] the row's own place in the memory, -1 where it is not in it."""
    folds: NDArray[np.int64]
    """[N]"""
    kept: NDArray[np.intp]
    """[M] which training rows the memory holds, in its order."""
    seed: int

    def out_of_fold(self, work: Work, rows: NDArray[np.intp]) -> AnomalyScores:
        """Anomaly scores of those of the training rows, each judged without itself, as a new row."""
        by_fold = np.argsort(self.folds[rows], kind="stable")  # those of one member are asked together
        scores = self._out_of_fold(work, rows[by_fold])
        return take_rows(scores, np.argsort(by_fold, kind="stable"))

    def _out_of_fold(self, work: Work, rows: NDArray[np.intp]) -> AnomalyScores:
        return self.model.fuse(self.scores_out_of_fold(work, rows), np.zeros(len(rows), bool))

    def scores_out_of_fold(self, work: Work, rows: NDArray[np.intp]) -> dict[str, Floats]:
        """`out_of_fold` by name of each anomaly score, before they are summed."""
        present = self.present if len(self.present) == 1 else self.present[rows]
        met = self.model.meet(self.values[rows], present, work, self.place[rows]).as_new()
        learned = LearnedRows(met, self.model.normal, self.place[rows], self.folds[rows])
        return self.model.out_of_fold(learned, self.seed)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        return {
            "values": self.values,
            "present": self.present,
            "place": self.place,
            "folds": self.folds,
            "kept": self.kept,
            **prefixed("model.", self.model.arrays()),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], width: int, seed: int) -> Self:
        """The inverse of `arrays` and the model's `meta`, for rows of `width` columns."""
        model = RowModel.from_bundle(below(arrays, "model."), meta, width)
        names = ("values", "present", "place", "folds", "kept")
        values, present, place, folds, kept = (arrays[name] for name in names)
        return cls(model, values, present, place, folds, kept, seed)


def fit_rows(
    rows: Rows, features: Features, choice: ModelChoice, progress: Progress, held: HeldPlaces | None = None
) -> tuple[FittedRows, NDArray[np.intp]]:
    """Train on rows [N, P], N >= 1, of these features; also says which of them it looked at, in order. `held` is to keep its place
    on the map."""
    random = np.random.default_rng(choice.seed)
    chosen = _draw(len(rows.values), MOST_ROWS, random)
    values = rows.values[chosen]
    present = np.ones((1, values.shape[1]), np.float32)
    if rows.present is not None:
        present = rows.present[chosen].astype(np.float32)
        values = fill_gaps(values, present, values[_draw(len(values), SCALE_ROWS, random)])
    divisor = column_divisor(values[_draw(len(values), SCALE_ROWS, random)], choice.seed)
    values = np.ascontiguousarray(values / divisor)
    in_memory = _draw(len(values), LARGEST_MEMORY, random)
    memory, order = build_memory(values[in_memory], choice.seed)
    kept = in_memory[order]
    place = np.full(len(values), -1, np.int64)
    place[kept] = np.arange(len(kept))
    progress("finding neighbours", 0.05)
    found = memory.find(values, SHOWN, CAREFUL)
    smallest = 1e-3 * float(np.median(found.distances[kept, 0])) + 1e-6
    normal = NormalRows(memory, smallest, features.readings.astype(np.float32), features.owners)
    folds = random.permutation(len(values)) % ROW_FOLDS
    met = Met(values, present, found.distances, found.indices, found.known)
    landmarks = None if held is None else _landmarks(held, divisor, normal)
    learned = LearnedRows(met, normal, place, folds, landmarks)
    fitted = fit_components(ALONE, normal, learned, choice, lambda step, share: progress(step, 0.1 + 0.8 * share))
    model = RowModel(ALONE, normal, fitted, divisor, ALONE.weights)
    whole = FittedRows(model, values, present, place, folds.astype(np.int64), kept, choice.seed)
    return (_with_ceiling(whole) if LIFTING in model.components else whole), chosen


def _with_ceiling(fitted: FittedRows) -> FittedRows:
    """Learn from some of the training rows, each judged without itself, how far a number may lift a row."""
    rows = spread_over(len(fitted.values), ENOUGH)
    by_fold = rows[np.argsort(fitted.folds[rows], kind="stable")]  # those of one member are asked together
    rest = fitted.model.rest(fitted.scores_out_of_fold(STUDY, by_fold))
    return replace(fitted, model=replace(fitted.model, ceiling=ceiling_of(rest)))


def _landmarks(held: HeldPlaces, divisor: Floats, normal: NormalRows) -> Landmarks:
    """As prepared rows."""
    return Landmarks(prepared(held.rows, divisor, normal)[0], held.codes)


def column_divisor(values: Floats, seed: int) -> Floats:
    """[P] sqrt(v + 0.3 mean v), v the mean squared difference from the 5 nearest rows; scaled to a mean square of 1.

    A column in which neighbours agree counts for more. Columns that never differ have no say in the mean.
    """
    memory, _ = build_memory(values, seed)
    count = min(5, max(len(values) - 1, 1))
    _, nearest = memory.nearest(memory.rows, count, CAREFUL)
    squared = np.zeros(values.shape[1])
    for neighbour in range(count):
        squared += np.square(memory.rows - memory.rows[nearest[:, neighbour]]).mean(axis=0)
    squared /= count
    differs = values.std(axis=0) > 1e-6
    typical = squared[differs].mean() if differs.any() else 1.0
    scale = squared + 0.3 * typical + 1e-9
    scale /= scale[differs].mean() if differs.any() else scale.mean()
    return np.sqrt(scale).astype(np.float32)


def _draw(count: int, most: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Which of `count` rows to use when at most `most` may be, in order."""
    return np.arange(count) if count <= most else np.sort(random.choice(count, most, replace=False))
