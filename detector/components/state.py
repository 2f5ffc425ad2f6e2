"""The two halves of a score, from one state model: how badly a record is reconstructed, how sparse its latent code's place.

The state model sees the record and its recent past; with full effort the window's shape as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.context_rows import TrainingRows
from latentwatch.detector.components.folds import FOLDS
from latentwatch.detector.components.prototypes import PrototypeDensity, fit_prototypes
from latentwatch.detector.latent.basis import Basis, begin_basis
from latentwatch.detector.latent.examples import TrainingPlan
from latentwatch.detector.latent.state_model import StateModel, fit_state_model
from latentwatch.detector.sequences.layout import Layout
from latentwatch.detector.sequences.recursion import RECENT
from latentwatch.detector.spread import spread_over
from latentwatch.domain.model_choice import ModelChoice, ModelKind

RECONSTRUCTION, DENSITY = "reconstruction", "density"
_CODE_PROTOTYPES = 16
_TRAINING_ROWS = 20_000
_CHUNK = 4_096


@dataclass(frozen=True, slots=True)
class FittedState:
    """The state model, and how its residuals and codes of normal records lie."""

    model: StateModel
    basis: Basis
    residuals: PrototypeDensity
    """How residuals of normal records lie that a judge did not train on: one prototype, their mean."""
    densities: tuple[PrototypeDensity, ...]
    """Density of normal codes, one per judge."""

    def look(self, features: Floats) -> Floats:
        """[N, W] the part of context rows [N, D] that the state model sees."""
        return features[:, : self.model.width]

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """[N] of the mean of the judges' residuals, and the judges' mean of their own codes'."""
        codes, residuals = self.model.judge(self.look(features))
        sparse = self.densities[0].anomaly_score(codes[0])
        for density, code in zip(self.densities[1:], codes[1:], strict=True):
            sparse += density.anomaly_score(code)
        sparse *= np.float32(1 / len(self.densities))
        return {RECONSTRUCTION: self.residuals.anomaly_score(residuals), DENSITY: sparse}

    def codes(self, features: Floats) -> Floats:
        """[N, K] latent codes of context rows [N, D]."""
        return self.model.encode(self.look(features))

    def decode(self, codes: Floats) -> Floats:
        """[N, W] the mean of what the state model sees, at codes [N, K]."""
        return self.model.decode(codes)

    def places(self, codes: Floats) -> Floats:
        """[N, 2] where codes [N, K] lie on the map."""
        return self.basis.places(codes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        out = prefixed("model.", self.model.arrays()) | prefixed("basis.", self.basis.arrays())
        out |= prefixed("residual.", self.residuals.arrays())
        for judge, density in enumerate(self.densities):
            out |= prefixed(f"code.{judge}.", density.arrays())
        return out


@dataclass(frozen=True, slots=True)
class State:
    """A state model whose judges each leave one fold out, and the densities of its residuals and codes."""

    name: str = "state"
    scores: tuple[str, ...] = (RECONSTRUCTION, DENSITY)
    stored_under: str = "state."
    learned: float = 0.8
    """Out of fold one judge stands for the mean of all; measured on our plant's later days."""

    def serves(self, layout: Layout) -> bool:
        """Every context row tells of the record and its recent past."""
        return True

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> FittedState:
        """Train the judges, each without one fold, and the member that keeps the basis."""
        sees_shape = choice.effort == "full" or choice.kind is ModelKind.WINDOWED
        width = (RECENT + (rows.layout.patches if sees_shape else 0)) * rows.layout.channels
        chosen = np.flatnonzero(rows.inner)
        chosen = chosen[spread_over(len(chosen), _TRAINING_ROWS)]
        features, folds = np.ascontiguousarray(rows.features[chosen, :width]), rows.folds[chosen]
        plan = TrainingPlan(
            kind=ModelKind.VARIATIONAL if choice.kind in (ModelKind.AUTO, ModelKind.WINDOWED) else choice.kind,
            code=code_size(width),
            judges=FOLDS,
            seed=choice.seed,
        )
        before = rows.basis if rows.basis is not None and rows.basis.fits(width, plan.code) else None
        landmarks = None if before is None else before.landmarks
        model = fit_state_model(
            features, folds, plan, landmarks, lambda share: progress("training the autoencoder", share)
        )
        codes = model.encode(features)
        basis = begin_basis(features, codes) if before is None else before.renewed(features, codes)
        densities = tuple(
            fit_prototypes(_codes_seen(model, judge, features, folds), _CODE_PROTOTYPES, choice.seed)
            for judge in range(FOLDS)
        )
        _, residuals = _out_of_fold(model, rows)
        return FittedState(model, basis, fit_prototypes(residuals, 1, choice.seed), densities)

    def out_of_fold(self, fitted: FittedState, rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the judge that did not train on its fold."""
        out = {name: np.empty(len(rows.features), np.float32) for name in self.scores}
        codes, residuals = _out_of_fold(fitted.model, rows)
        for fold in range(FOLDS):
            inside = rows.within(fold)
            out[DENSITY][inside] = fitted.densities[fold].anomaly_score(codes[inside])
            usual = fit_prototypes(residuals[rows.outside(fold)], 1, seed)
            out[RECONSTRUCTION][inside] = usual.anomaly_score(residuals[inside])
        return out

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> FittedState:
        """The inverse of `arrays`."""
        model = StateModel.from_bundle(below(arrays, "model."))
        residuals = PrototypeDensity.from_bundle(below(arrays, "residual."))
        if model.width not in (RECENT * layout.channels, (RECENT + layout.patches) * layout.channels):
            raise ValueError("the state model does not fit the channels")
        if len(residuals.mean) != model.width:
            raise ValueError("the residuals do not fit their state model")
        densities = tuple(PrototypeDensity.from_bundle(below(arrays, f"code.{j}.")) for j in range(model.judges))
        return FittedState(
            model, Basis.from_bundle(below(arrays, "basis."), model.width, model.code_size), residuals, densities
        )


def code_size(width: int) -> int:
    """K of a state model of rows [N, width]."""
    return int(np.clip(width // 4, 2, 8))


def _codes_seen(model: StateModel, judge: int, features: Floats, folds: NDArray[np.intp]) -> Floats:
    seen = folds != judge
    return model.judge_alone(features[seen if seen.any() else ~seen], judge)[0]


def _out_of_fold(model: StateModel, rows: TrainingRows) -> tuple[Floats, Floats]:
    """Codes [N, K] and residuals [N, W] of each row by the judge that did not train on its fold."""
    codes = np.empty((len(rows.features), model.code_size), np.float32)
    residuals = np.empty((len(rows.features), model.width), np.float32)
    for fold in range(FOLDS):
        inside = rows.within(fold)
        for part in np.array_split(inside, max(1, len(inside) // _CHUNK)):
            codes[part], residuals[part] = model.judge_alone(rows.features[part, : model.width], fold)
    return codes, residuals
