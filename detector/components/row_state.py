"""The two halves of a row's score, from a state model of the row alone: how badly it is reconstructed, how sparse its code's place.

Three judges that each leave a third of the rows out; a fourth member has seen all of them: its code is what people see.

    reconstruction  mean over judges of half the log mean squared whitened residual
    density         mean over judges of how sparsely normal codes populate the place of the row's code
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import ROW_FOLDS, LearnedRows, Met, NormalRows
from latentwatch.detector.components.offset_spread import OffsetSpread, fit_spread
from latentwatch.detector.density import AnyDensity, choose_density, density_from_bundle, fit_density
from latentwatch.detector.latent.examples import TrainingPlan
from latentwatch.detector.latent.state_model import StateModel, fit_state_model
from latentwatch.domain.model_choice import ModelChoice, ModelKind

RECONSTRUCTION, DENSITY = "reconstruction", "density"
_STEPS = 100
"""Of the judges; 300 rank tables no better."""
_MAP_STEPS, _HELD_MAP_STEPS = 150, 600
"""Of the member that has seen all rows, and where it has places to keep."""
_BATCH, _SMALLEST_BATCH = 64, 16
_COMMON_WIDTH = 200
"""Columns up to which a batch has its full size; with more it shrinks, so that a step costs the same."""
_LARGEST_CODE = 8
_SMALLEST = 1e-2
"""Standard deviations beside which a residual is nothing."""


@dataclass(frozen=True, slots=True)
class FittedRowState:
    """The state model, and how its judges' residuals and codes of normal rows lie."""

    normal: NormalRows
    model: StateModel
    residuals: OffsetSpread
    """Of normal rows by the judge that did not train on them."""
    without: tuple[OffsetSpread, ...]
    """By fold: of the rows of all others."""
    densities: tuple[AnyDensity, ...]
    """By judge: the density of its codes of the rows that it trained on."""

    @property
    def code_size(self) -> int:
        """K"""
        return self.model.code_size

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N] of the judges that are asked."""
        asked = min(met.members, self.model.judges)
        standing, there = self.model.standardised(met.values), self.normal.read(met.present)
        reconstruction, density = np.zeros(len(met), np.float32), np.zeros(len(met), np.float32)
        for judge in range(asked):
            codes, rebuilt = self.model.rebuild(standing, judge)
            reconstruction += self.residuals.anomaly_score(standing - rebuilt, there)
            density += self.densities[judge].anomaly_score(codes)
        share = np.float32(1 / asked)
        return {RECONSTRUCTION: reconstruction * share, DENSITY: density * share}

    def codes(self, values: Floats) -> Floats:
        """[N, K] codes of prepared rows [N, P], by the member that has seen all."""
        return self.model.encode(values)

    def decode(self, codes: Floats) -> Floats:
        """[N, P] the mean row at codes [N, K], by the same member."""
        return self.model.decode(codes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        out = prefixed("model.", self.model.arrays()) | prefixed("residuals.", self.residuals.arrays())
        for fold, (spread, density) in enumerate(zip(self.without, self.densities, strict=True)):
            out |= prefixed(f"without.{fold}.", spread.arrays()) | prefixed(f"code.{fold}.", density.arrays())
        return out


@dataclass(frozen=True, slots=True)
class RowState:
    """A state model of rows whose judges each leave one fold out, and the spread of its residuals and codes."""

    name: str = "state"
    scores: tuple[str, ...] = (RECONSTRUCTION, DENSITY)
    calibrated: tuple[str, ...] = (RECONSTRUCTION, DENSITY)
    stored_under: str = "state."

    def serves(self, normal: NormalRows) -> bool:
        """Every row has values."""
        return True

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedRowState:
        """Train the judges, each without one fold, and the member that has seen all rows."""
        values, width = rows.met.values, rows.normal.width
        held = rows.landmarks
        plan = _plan(width, choice)
        if held is not None:
            plan = replace(plan, code=held.codes.shape[1], map_steps=_HELD_MAP_STEPS)
        model = fit_state_model(
            values, rows.folds, plan, held, lambda share: progress("training the autoencoder", share)
        )
        standing = model.standardised(values)
        residuals, densities = np.empty_like(values), []
        for judge in range(ROW_FOLDS):
            codes, rebuilt = model.rebuild(standing, judge)
            unseen = rows.folds == judge
            residuals[unseen] = (standing - rebuilt)[unseen]
            seen = codes if unseen.all() else codes[~unseen]
            kind = choose_density(len(seen)) if choice.density == "auto" else choice.density
            densities.append(fit_density(kind, seen, choice.seed))
        residuals *= rows.normal.read(rows.met.present)
        others = [residuals[rows.folds != fold] for fold in range(ROW_FOLDS)]
        return FittedRowState(
            rows.normal,
            model,
            fit_spread(residuals, rows.normal.readings, _SMALLEST),
            tuple(fit_spread(part if len(part) else residuals, rows.normal.readings, _SMALLEST) for part in others),
            tuple(densities),
        )

    def out_of_fold(self, fitted: FittedRowState, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the judge that did not train on it."""
        met = rows.met
        standing = fitted.model.standardised(met.values)
        out = {name: np.empty(len(met), np.float32) for name in self.scores}
        for fold in range(ROW_FOLDS):
            inside = rows.folds == fold
            codes, rebuilt = fitted.model.rebuild(standing[inside], fold)
            there = fitted.normal.read(met.present_of(inside))
            out[RECONSTRUCTION][inside] = fitted.without[fold].anomaly_score(standing[inside] - rebuilt, there)
            out[DENSITY][inside] = fitted.densities[fold].anomaly_score(codes)
        return out

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedRowState:
        """The inverse of `arrays`."""
        model = StateModel.from_bundle(below(arrays, "model."))
        if model.width != normal.width or model.judges != ROW_FOLDS:
            raise ValueError("the state model does not fit the rows")
        densities = tuple(density_from_bundle(below(arrays, f"code.{at}.")) for at in range(ROW_FOLDS))
        if any(len(density.whitening.mean) != model.code_size for density in densities):
            raise ValueError("the densities do not fit the codes of their state model")
        residuals, *without = (
            OffsetSpread.from_bundle(below(arrays, name), model.width)
            for name in ("residuals.", *(f"without.{fold}." for fold in range(ROW_FOLDS)))
        )
        return FittedRowState(normal, model, residuals, tuple(without), densities)


def _plan(width: int, choice: ModelChoice) -> TrainingPlan:
    """For rows [N, width]."""
    return TrainingPlan(
        kind=ModelKind.VARIATIONAL if choice.kind is ModelKind.AUTO else choice.kind,
        code=int(np.clip(width // 2, 2, _LARGEST_CODE)),
        judges=ROW_FOLDS,
        steps=_STEPS,
        map_steps=_MAP_STEPS,
        batch=max(_SMALLEST_BATCH, int(_BATCH * min(1.0, _COMMON_WIDTH / width))),
        seed=choice.seed,
    )
