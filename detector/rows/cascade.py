"""Looks at every row cheaply, and with care at those it cannot call normal; calibrated as one.

A row whose cheap score stays below the gate has the p-value of that score. One that reaches it, as a share g of normal
rows does, has g times the conditional p-value of its careful score:

    p = P(cheap >= gate) P(careful >= e | cheap >= gate)

so that the composite is a p-value whatever both scores have to do with each other. Which rows are looked at with care
depends on the row alone, never on load.

New rows and rows of the memory are judged by different sums, so each kind has levels of its own. Those of new rows are
learned on rows that the model did not see. Those of the memory's rows are learned on these rows, scored as they are when
they come again: of the rows that were learned from, a share p has a p-value of p or less, as of new ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.calibration import Calibration, fit_calibration
from latentwatch.detector.rows.model import GLANCE, STUDY, AnomalyScores, RowModel, Work, replace_rows, take_rows
from latentwatch.domain.scores import Scores

Floats: TypeAlias = NDArray[np.float32]
Effort: TypeAlias = Literal["light", "balanced", "full"]
Judge: TypeAlias = Callable[[Work, NDArray[np.intp]], AnomalyScores]
"""Anomaly scores of some of the rows that calibrate, for a kind of work."""
SHARE = 0.25
"""g, share of normal rows that are looked at with care under balanced effort."""
ENOUGH = 50
"""Rows that must pass the gate in calibration for the cascade to be worth it; with fewer every row is studied."""


@dataclass(frozen=True, slots=True)
class CascadeCalibration:
    """What anomaly scores mean: where a row is studied, and the surprise of its cheap or its careful score."""

    gate: float
    """Cheap anomaly score from which a row is studied: infinite where none is, minus infinity where all are."""
    share: float
    """Share of normal rows that reach the gate."""
    cheap: Calibration
    careful: Calibration

    @property
    def resolution(self) -> float:
        """The surprise of one record in all that it was learned from."""
        return self.careful.resolution - float(np.log10(self.share))

    def surprise(self, fused: Floats, studied: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
        """[N] surprises, and [N] whether they are extrapolated, of anomaly scores [N], careful where a row was studied."""
        if studied.all():
            return self.careful.surprise(fused) - np.float32(np.log10(self.share)), self.careful.extrapolated(fused)
        surprise, extrapolated = self.cheap.surprise(fused), self.cheap.extrapolated(fused)
        rows = np.flatnonzero(studied)
        if len(rows):
            careful = fused[rows]
            surprise[rows] = self.careful.surprise(careful) - np.float32(np.log10(self.share))
            extrapolated[rows] = self.careful.extrapolated(careful)
        return surprise, extrapolated

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return prefixed("cheap.", self.cheap.arrays()) | prefixed("careful.", self.careful.arrays())

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "gate": self.gate if np.isfinite(self.gate) else None,
            "share": self.share,
            "cheap": self.cheap.meta(),
            "careful": self.careful.meta(),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], effort: Effort) -> Self:
        """The inverse of `arrays` and `meta`."""
        gate = meta["gate"]
        if gate is None:
            gate = np.inf if effort == "light" else -np.inf
        cheap, careful = (
            Calibration.from_bundle(below(arrays, f"{name}."), meta[name]) for name in ("cheap", "careful")
        )
        return cls(float(gate), float(meta["share"]), cheap, careful)


@dataclass(frozen=True, slots=True)
class Cascade:
    """The calibrated cascade of one effort."""

    effort: Effort
    new: CascadeCalibration
    """For rows that the memory does not hold."""
    learned: CascadeCalibration
    """For rows that it holds."""
    alone: dict[str, Calibration]
    """By name, of the anomaly scores that mean something alone; told beside the whole."""

    @property
    def studies(self) -> bool:
        """Whether rows are ever looked at with care."""
        return self.effort != "light"

    def score(self, model: RowModel, values: Floats, present: Floats) -> Scores:
        """Calibrated scores of prepared rows [N, P]."""
        scores, studied = self._look(model, values, present)
        surprise, extrapolated = self.new.surprise(scores.fused, studied)
        known = np.flatnonzero(scores.known)
        if len(known):
            surprise[known], extrapolated[known] = self.learned.surprise(scores.fused[known], studied[known])
        told = {name: calibration.surprise(scores.alone[name]) for name, calibration in self.alone.items()}
        return Scores(
            surprise=surprise,
            reconstruction=told.pop("reconstruction"),
            density=told.pop("density"),
            components=told,
            extrapolated=extrapolated,
            warming=np.zeros(len(values), bool),
        )

    def _look(self, model: RowModel, values: Floats, present: Floats) -> tuple[AnomalyScores, NDArray[np.bool_]]:
        """Anomaly scores of prepared rows, careful where a row reaches its gate, and where that is [N]."""
        if self.new.gate == self.learned.gate == -np.inf:
            return model.judge(model.meet(values, present, STUDY)), np.ones(len(values), bool)
        scores = model.judge(model.meet(values, present, GLANCE))
        studied = scores.fused >= np.where(scores.known, self.learned.gate, self.new.gate)
        rows = np.flatnonzero(studied)
        if len(rows):
            mask = present if len(present) == 1 else present[rows]
            replace_rows(scores, model.judge(model.meet(values[rows], mask, STUDY)), rows)
        return scores, studied

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        out = prefixed("new.", self.new.arrays()) | prefixed("learned.", self.learned.arrays())
        for name, calibration in self.alone.items():
            out |= prefixed(f"alone.{name}.", calibration.arrays())
        return out

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "effort": self.effort,
            "new": self.new.meta(),
            "learned": self.learned.meta(),
            "alone": {name: calibration.meta() for name, calibration in self.alone.items()},
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], names: tuple[str, ...]) -> Self:
        """The inverse of `arrays` and `meta`, where anomaly scores of those names mean something alone. Raises ValueError for
        others."""
        if meta["alone"].keys() != {*names}:
            raise ValueError("the calibrations do not fit the components")
        effort = meta["effort"]
        new, learned = (
            CascadeCalibration.from_bundle(below(arrays, f"{name}."), meta[name], effort) for name in ("new", "learned")
        )
        alone = {
            name: Calibration.from_bundle(below(arrays, f"alone.{name}."), part) for name, part in meta["alone"].items()
        }
        return cls(effort, new, learned, alone)


def fit_cascade(effort: Effort, new: tuple[int, Judge], learned: tuple[int, Judge]) -> Cascade:
    """Calibrate on out-of-sample anomaly scores of normal records, and on those of the memory's rows, so many of each."""
    levels, scores = fit_levels(effort, *new)
    alone = {name: fit_calibration(part) for name, part in scores.alone.items()}
    return Cascade(effort, levels, fit_levels(effort, *learned)[0], alone)


def fit_levels(effort: Effort, count: int, judge: Judge) -> tuple[CascadeCalibration, AnomalyScores]:
    """Levels learned on `count` normal records, and their anomaly scores at this effort."""
    everyone = np.arange(count)
    if effort == "light":
        return _of_one(np.inf, judge(GLANCE, everyone))
    if effort == "full" or SHARE * count < ENOUGH:
        return _of_one(-np.inf, judge(STUDY, everyone))
    cheap = judge(GLANCE, everyone)
    gate = float(np.quantile(cheap.fused, 1.0 - SHARE))
    rows = np.flatnonzero(cheap.fused >= gate)
    careful = judge(STUDY, rows)
    mixed = take_rows(cheap, everyone)
    replace_rows(mixed, careful, rows)
    calibrations = (fit_calibration(scores.fused, smooth=False) for scores in (cheap, careful))
    return CascadeCalibration(gate, len(rows) / count, *calibrations), mixed


def _of_one(gate: float, scores: AnomalyScores) -> tuple[CascadeCalibration, AnomalyScores]:
    fused = fit_calibration(scores.fused, smooth=False)
    return CascadeCalibration(gate, 1.0, fused, fused), scores
