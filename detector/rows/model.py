"""A trained row model: rows in, uncalibrated anomaly scores out.

Rows [N, P] -> Met, beside their nearest normal rows -> anomaly scores [N]; each depends on its own row alone, bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Floats
from latentwatch.detector.components.met_rows import (
    EVERYONE,
    SHOWN,
    LearnedRows,
    Met,
    NormalRows,
    Rebuilding,
    RowCoded,
)
from latentwatch.detector.fitted_recipe import FittedRecipe, load_components
from latentwatch.detector.recipes import ALONE
from latentwatch.detector.rows.ceiling import LIFTING, Ceiling
from latentwatch.detector.rows.features import Rows
from latentwatch.detector.rows.gaps import fill_gaps
from latentwatch.domain.errors import BundleRefused


@dataclass(frozen=True, slots=True)
class Work:
    """How hard a row is looked at."""

    neighbours: int
    """Neighbours that it meets."""
    probes: int
    """Lists of the memory that are searched."""
    members: int
    """Members of an ensemble that are asked."""


GLANCE = Work(neighbours=SHOWN, probes=2, members=1)
STUDY = Work(neighbours=2 * SHOWN, probes=6, members=EVERYONE)


@dataclass(frozen=True, slots=True)
class AnomalyScores:
    """Uncalibrated anomaly scores of N rows, each a log of a distance."""

    fused: Floats
    """[N] the whole."""
    alone: dict[str, Floats]
    """[N] by name, those that are calibrated on their own beside it."""
    known: NDArray[np.bool_]
    """[N] whether the row was judged as one that was learned from."""


@dataclass(frozen=True, slots=True)
class RowModel(FittedRecipe[LearnedRows, Met, NormalRows]):
    """Everything learned from training rows but calibration."""

    divisor: Floats
    """[P] what a column is divided by, so that near neighbours differ by about 1 in it."""
    weights: Mapping[str, float]
    """By name of an anomaly score; a bundle keeps those it was calibrated with."""
    ceiling: Ceiling | None = None
    """How far a number that the rest contradicts may lift a row; None where none is asked, and while the model is fitted."""

    @property
    def normal(self) -> NormalRows:
        """The normal rows that are kept."""
        return self.ground

    @property
    def alone(self) -> tuple[str, ...]:
        """The names of the anomaly scores that are calibrated on their own."""
        return tuple(name for component, _ in ALONE.weighted for name in component.calibrated)

    @property
    def explaining(self) -> tuple[str, ...]:
        """The names of the components that say which feature is to blame."""
        return tuple(name for name in ALONE.explained_by if name in self.components)

    @property
    def rebuilding(self) -> Rebuilding:
        """The component that says what a row should have been."""
        found = [part for name in self.explaining if isinstance(part := self.components[name], Rebuilding)]
        if not found:
            raise TypeError(f"none of {', '.join(ALONE.explained_by)} rebuilds rows")
        return found[0]

    @property
    def coded(self) -> RowCoded:
        """The component whose latent code the map shows."""
        found = self.components[ALONE.mapped_by]
        if not isinstance(found, RowCoded):
            raise TypeError(f"{ALONE.mapped_by} has no latent code")
        return found

    def prepare(self, rows: Rows) -> tuple[Floats, Floats]:
        """`prepared`."""
        return prepared(rows, self.divisor, self.normal)

    def meet(self, values: Floats, present: Floats, work: Work, leave_out: NDArray[np.int64] | None = None) -> Met:
        """Prepared rows beside their nearest; `leave_out` [N] is a place in the memory not to be found, or -1."""
        found = self.normal.memory.find(values, work.neighbours, work.probes, leave_out)
        return Met(values, present, found.distances, found.indices, found.known, work.members)

    def judge(self, met: Met) -> AnomalyScores:
        """Anomaly scores of rows."""
        return self.fuse(self.anomaly_scores(met), met.known)

    def fuse(self, scores: Mapping[str, Floats], known: NDArray[np.bool_]) -> AnomalyScores:
        """The recipe's sum of anomaly scores [N] by name, in which a number lifts a row no higher than its ceiling."""
        whole = self.rest(scores)
        if LIFTING in scores:
            whole += self.lift(scores)
        return AnomalyScores(whole, {name: np.array(scores[name]) for name in self.alone}, known)

    def rest(self, scores: Mapping[str, Floats]) -> Floats:
        """[N] the recipe's sum without the score that lifts."""
        return ALONE.total({name: part for name, part in scores.items() if name != LIFTING}, self.weights)

    def lift(self, scores: Mapping[str, Floats]) -> Floats:
        """[N] what the score that lifts adds to the sum of the rest."""
        if self.ceiling is None:
            raise TypeError("the model is not fitted yet: nothing says how far a number may lift a row")
        return self.ceiling.lift(self.rest(scores), scores[LIFTING], self.weights[LIFTING])

    def misfit(self, met: Met) -> Floats:
        """[N] how badly rows agree with themselves and their nearest: the sum over the components that explain, and not in
        what region a row lies."""
        scores = self.scores_of(self.explaining, met)
        if self.ceiling is None or LIFTING not in scores:
            return ALONE.total(scores, self.weights)
        decade = min(self.weights[LIFTING], self.ceiling.decade)
        return ALONE.total(scores, {**self.weights, LIFTING: decade})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {
            "divisor": self.divisor,
            **prefixed("normal.", self.normal.arrays()),
            **({} if self.ceiling is None else self.ceiling.arrays()),
            **super(RowModel, self).arrays(),
        }

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"weights": dict(self.weights)}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], width: int) -> Self:
        """The inverse of `arrays` and `meta`, for rows of `width` columns."""
        if meta["weights"].keys() != ALONE.weights.keys():
            raise BundleRefused("the model weighs a row's parts as an earlier version did; train again")
        normal = NormalRows.from_bundle(below(arrays, "normal."))
        if (arrays["divisor"].shape, normal.width) != ((width,), width):
            raise BundleRefused("the model's parts do not fit each other; the bundle is damaged: train again")
        weights = {name: float(weight) for name, weight in meta["weights"].items()}
        components = load_components(ALONE, normal, arrays)
        if (LIFTING in components) != ("ceiling" in arrays):
            raise BundleRefused("the model sums a row's parts as an earlier version did; train again")
        ceiling = Ceiling.from_bundle(arrays["ceiling"]) if "ceiling" in arrays else None
        return cls(ALONE, normal, components, arrays["divisor"], weights, ceiling)


def prepared(rows: Rows, divisor: Floats, normal: NormalRows) -> tuple[Floats, Floats]:
    """Rows in the space of the memory [N, P], and 1 where a value is present, [N, P] or [1, P] for all.

    What is missing is taken from the rows of the memory that are nearest in what is there.
    """
    values = np.ascontiguousarray(rows.values / divisor)
    if rows.present is None:
        return values, np.ones((1, values.shape[1]), np.float32)
    present = rows.present.astype(np.float32)
    return fill_gaps(values, present, normal.by_column), present


def replace_rows(scores: AnomalyScores, careful: AnomalyScores, rows: NDArray[np.intp]) -> None:
    """Put careful anomaly scores in the place of the cheap ones of those rows."""
    scores.fused[rows] = careful.fused
    scores.known[rows] = careful.known
    for name, part in careful.alone.items():
        scores.alone[name][rows] = part


def take_rows(scores: AnomalyScores, rows: NDArray[np.intp]) -> AnomalyScores:
    """A copy of the anomaly scores of those rows."""
    alone = {name: part[rows] for name, part in scores.alone.items()}
    return AnomalyScores(scores.fused[rows], alone, scores.known[rows])


def join(parts: Sequence[AnomalyScores]) -> AnomalyScores:
    """The anomaly scores of all, one after the other."""
    alone = {name: np.concatenate([each.alone[name] for each in parts]) for name in parts[0].alone}
    fused, known = (np.concatenate([getattr(each, name) for each in parts]) for name in ("fused", "known"))
    return AnomalyScores(fused, alone, known)
