"""How far a record, with more or less of its past, lies from normal ones: whitened prototypes of a part of its context.

Two components differ only in the part they look at: `NOW` and `DYNAMICS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.context_rows import LEARNED, Conditionals, TrainingRows, score_out_of_fold
from latentwatch.detector.components.prototypes import PrototypeDensity, fit_prototypes
from latentwatch.detector.sequences.layout import Layout
from latentwatch.domain.model_choice import ModelChoice

PROTOTYPES = 16


@dataclass(frozen=True, slots=True)
class FittedBlockDensity:
    """The density of normal records in a part of their context rows."""

    asks: "BlockDensity"
    layout: Layout
    density: PrototypeDensity

    def look(self, features: Floats) -> Floats:
        """[N, W] the part of context rows [N, D] that it sees."""
        return self.asks.look(self.layout, features)

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """[N] half the log squared whitened distance to the nearest prototype."""
        return {self.asks.name: self.density.anomaly_score(self.look(features))}

    def whiten(self, features: Floats) -> Floats:
        """[N, K] whitened coordinates of context rows [N, D]."""
        return self.density.whiten(self.look(features))

    def conditionals(self, features: Floats) -> Conditionals:
        """What each channel adds to the squared distance, and what it should have shown, given all other channels.

        With precision P and offset d from the nearest prototype, let g be a channel's own columns. Free to take any value,
        they would lower d'Pd by (Pd)_g' P_gg^-1 (Pd)_g, at the value x_g - P_gg^-1 (Pd)_g: the reconstruction-based
        contribution (Alcala and Qin 2009). Where all the others are strange too, the expected value may be one that no
        normal record has.
        """
        density, seen, channels = self.density, self.look(features), self.layout.channels
        whitened = density.whiten(seen)
        offset = whitened - density.prototypes[density.beyond(whitened).argmin(axis=0)]
        pull = offset @ density.whitening.T
        precision = density.whitening @ density.whitening.T
        blocks = seen.shape[1] // channels
        inner = np.einsum("gchc->cgh", precision.reshape(blocks, channels, blocks, channels))
        pull = pull.reshape(len(seen), blocks, channels)
        step = np.einsum("ngc,cgh->nhc", pull, np.linalg.pinv(inner, hermitian=True))
        reductions = np.einsum("nhc,nhc->nc", step, pull)
        return Conditionals(np.maximum(reductions, 0.0), seen[:, :channels] - step[:, 0])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return self.density.arrays()


@dataclass(frozen=True, slots=True)
class BlockDensity:
    """The density of records in the part of their context that `look` takes."""

    name: str
    look: Callable[[Layout, Floats], Floats]
    learned: float = LEARNED

    @property
    def scores(self) -> tuple[str, ...]:
        """One, its own name."""
        return (self.name,)

    @property
    def stored_under(self) -> str:
        """Before the names of its arrays in a bundle."""
        return f"density.{self.name}."

    def serves(self, layout: Layout) -> bool:
        """Every context row tells of the record and its averages."""
        return True

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> FittedBlockDensity:
        """Learn the density of all rows."""
        density = fit_prototypes(self.look(rows.layout, rows.features), PROTOTYPES, choice.seed)
        return FittedBlockDensity(self, rows.layout, density)

    def out_of_fold(self, fitted: FittedBlockDensity, rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the density of the other folds."""
        return {self.name: score_out_of_fold(rows, fitted.look, lambda seen: fit_prototypes(seen, PROTOTYPES, seed))}

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> FittedBlockDensity:
        """The inverse of `arrays`."""
        fitted = FittedBlockDensity(self, layout, PrototypeDensity.from_bundle(arrays))
        if fitted.look(np.zeros((1, layout.width), np.float32)).shape[1] != len(fitted.density.mean):
            raise ValueError(f"the density of {self.name} does not fit the channels")
        return fitted


def _record_alone(layout: Layout, features: Floats) -> Floats:
    return layout.recent(features, 1)


NOW = BlockDensity("now", _record_alone)
DYNAMICS = BlockDensity("dyn", Layout.recent)
