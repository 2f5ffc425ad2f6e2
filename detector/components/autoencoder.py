"""The autoencoder's two anomaly scores: how badly context is reconstructed, how sparsely its latent code is populated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.examples import Examples, TrainingPlan
from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.components.component import Floats, Progress, TrainingRows
from latentwatch.detector.components.folding import Folded
from latentwatch.detector.components.folds import FOLDS
from latentwatch.detector.components.prototypes import PrototypeDensity, cluster, fit_density
from latentwatch.detector.components.retrieval import Retrieval, Standardised, nearest_of
from latentwatch.detector.parts import below, prefixed
from latentwatch.detector.sequences.layout import Layout
from latentwatch.detector.sequences.recursion import RECENT
from latentwatch.domain.monitor import ModelChoice, ModelKind

RECONSTRUCTION, DENSITY = "reconstruction", "density"
_PROTOTYPES = 16
_CODE_PROTOTYPES = 16
_PROTOTYPE_ROWS = 4_000
_TRAINING_ROWS = 20_000
_CHUNK = 4_096


@dataclass(frozen=True, slots=True)
class FittedAutoencoder:
    """The ensemble, and how its residuals and codes of normal records lie."""

    retrieval: Retrieval
    residuals: PrototypeDensity
    """How residuals of normal records lie that the network did not train on: one prototype, their mean."""
    densities: tuple[PrototypeDensity, ...]
    """Density of normal codes, one per member."""
    folded: Folded = field(init=False, repr=False, compare=False)
    """The ensemble for scoring."""

    def __post_init__(self) -> None:
        retrieval, standardised = self.retrieval, self.retrieval.standardised
        known = retrieval.prototypes.reshape(-1, retrieval.prototypes.shape[2])
        folded = Folded.of(retrieval.network, known, standardised.centre, standardised.factor)
        object.__setattr__(self, "folded", folded)

    def look(self, features: Floats) -> Floats:
        """[N, W] the part of context rows [N, D] that it sees: the record and its recent past, with full effort the window's
        shape."""
        return features[:, : self.width]

    @property
    def width(self) -> int:
        """W"""
        return len(self.retrieval.standardised.centre)

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """[N] of the residuals' mean over members, and the members' mean of their own codes'."""
        codes, residuals = self.folded(self.look(features))
        sparse = self.densities[0].anomaly_score(codes[0])
        for density, code in zip(self.densities[1:], codes[1:], strict=True):
            sparse += density.anomaly_score(code)
        sparse *= np.float32(1 / len(self.densities))
        return {RECONSTRUCTION: self.residuals.anomaly_score(residuals), DENSITY: sparse}

    def codes(self, features: Floats) -> Floats:
        """[N, K] the first member's latent codes of context rows [N, D]."""
        return np.asarray(self.retrieval.encode(self.look(features))[0], np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        standardised = self.retrieval.standardised
        out = {"centre": standardised.centre, "scale": standardised.scale, "prototypes": self.retrieval.prototypes}
        out |= prefixed("residual.", self.residuals.arrays())
        for member, density in enumerate(self.densities):
            out |= prefixed(f"code.{member}.", density.arrays())
        return out | prefixed("network.", self.retrieval.network.arrays())


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """An ensemble whose members each leave one fold out, and the densities of its residuals and codes."""

    name: str = "autoencoder"
    scores: tuple[str, ...] = (RECONSTRUCTION, DENSITY)
    stored_under: str = "retrieval."
    learned: float = 0.8
    """Out of fold one member stands for the mean of all; measured on our plant's later days."""

    def serves(self, layout: Layout) -> bool:
        """Every context row tells of the record and its recent past."""
        return True

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> FittedAutoencoder:
        """Train the members, each without one fold."""
        sees_shape = choice.effort == "full" or choice.kind is ModelKind.WINDOWED
        width = (RECENT + (rows.layout.patches if sees_shape else 0)) * rows.layout.channels
        chosen = np.flatnonzero(rows.inner)
        chosen = chosen[:: max(1, len(chosen) // _TRAINING_ROWS)]
        features, folds = rows.features[chosen, :width], rows.folds[chosen]
        standardised = _standardise(features)
        scaled = standardised(features)
        prototypes = _prototypes_by_fold(scaled, folds, choice.seed)
        nearest = np.empty_like(scaled)
        for fold in range(FOLDS):
            nearest[folds == fold] = nearest_of(scaled[folds == fold], prototypes[fold])
        examples = Examples(rows=scaled, aside=nearest, baseline=nearest, folds=folds)
        network = _train(examples, choice, lambda share: progress("training the autoencoder", share))
        retrieval = Retrieval(standardised, prototypes, network)
        codes = network.encode(scaled, nearest)
        densities = tuple(
            fit_density(codes[member, folds != member], _CODE_PROTOTYPES, choice.seed) for member in range(FOLDS)
        )
        residuals = fit_density(_residuals_out_of_fold(retrieval, width, rows), 1, choice.seed)
        return FittedAutoencoder(retrieval, residuals, densities)

    def out_of_fold(self, fitted: FittedAutoencoder, rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the member that did not train on its fold."""
        out = {name: np.empty(len(rows.features), np.float32) for name in self.scores}
        residuals = _residuals_out_of_fold(fitted.retrieval, fitted.width, rows)
        for fold in range(FOLDS):
            inside = rows.within(fold)
            codes, _ = fitted.retrieval.parts(fitted.look(rows.features[inside]), fold)
            out[DENSITY][inside] = fitted.densities[fold].anomaly_score(codes[fold])
            usual = fit_density(residuals[rows.outside(fold)], 1, seed)
            out[RECONSTRUCTION][inside] = usual.anomaly_score(residuals[inside])
        return out

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> FittedAutoencoder:
        """The inverse of `arrays`."""
        network = Network.from_bundle(below(arrays, "network."))
        centre, scale, prototypes = (arrays[name] for name in ("centre", "scale", "prototypes"))
        residuals = PrototypeDensity.from_bundle(below(arrays, "residual."))
        if residuals.mean.shape != centre.shape or scale.shape != centre.shape or prototypes.shape[2:] != centre.shape:
            raise ValueError("the parts of the autoencoder do not fit each other")
        if len(centre) not in (RECENT * layout.channels, (RECENT + layout.patches) * layout.channels):
            raise ValueError("the autoencoder does not fit the channels")
        densities = tuple(PrototypeDensity.from_bundle(below(arrays, f"code.{m}.")) for m in range(network.members))
        return FittedAutoencoder(Retrieval(Standardised(centre, scale), prototypes, network), residuals, densities)


def _standardise(features: Floats) -> Standardised:
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-4] = 0.0
    return Standardised(centre, scale)


def _prototypes_by_fold(scaled: Floats, folds: NDArray[np.intp], seed: int) -> Floats:
    """[FOLDS, P, D] prototypes of the rows outside each fold, so that no row is near one merely for having made it."""
    sets = []
    for fold in range(FOLDS):
        others = scaled[folds != fold] if (folds != fold).any() else scaled
        found = cluster(others[:: max(1, len(others) // _PROTOTYPE_ROWS)], _PROTOTYPES, seed)
        sets.append(found[np.arange(_PROTOTYPES) % len(found)])
    return np.stack(sets)


def _train(examples: Examples, choice: ModelChoice, progress: Callable[[float], None]) -> Network:
    from latentwatch.detector.autoencoders.training import train_network  # torch: scoring and calibrating do without

    width = examples.rows.shape[1]
    plan = TrainingPlan(
        kind=ModelKind.DENOISING if choice.kind in (ModelKind.AUTO, ModelKind.WINDOWED) else choice.kind,
        members=FOLDS,
        hidden=(int(np.clip(width // 2, 16, 64)),),
        steps=500,
        batch=128,
        code=int(np.clip(width // 4, 2, 16)),
        seed=choice.seed,
    )
    return train_network(examples, plan, progress)


def _residuals_out_of_fold(retrieval: Retrieval, width: int, rows: TrainingRows) -> Floats:
    """[N, W] residuals of each row by the member that did not train on its fold."""
    out = np.empty((len(rows.features), width), np.float32)
    for fold in range(FOLDS):
        inside = rows.within(fold)
        for part in np.array_split(inside, max(1, len(inside) // _CHUNK)):
            out[part] = retrieval.parts(rows.features[part, :width], fold)[1][fold]
    return out
