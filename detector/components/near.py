"""How far the nearest normal rows are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import SHOWN, LearnedRows, Met, NormalRows
from latentwatch.domain.model_choice import ModelChoice


@dataclass(frozen=True, slots=True)
class FittedNear:
    """Reads the distances."""

    smallest: float

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N] two parts the very nearest's log, one part the log of the mean of a few."""
        nearest, few = met.distances[:, 0], met.distances[:, :SHOWN].mean(axis=1)
        logs = 2.0 * np.log(nearest + self.smallest) + np.log(few + self.smallest)
        return {"neighbours": np.asarray(logs / 3.0, np.float32)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """None."""
        return {}


@dataclass(frozen=True, slots=True)
class Near:
    """The log of the distance to the nearest normal rows."""

    name: str = "near"
    scores: tuple[str, ...] = ("neighbours",)
    calibrated: tuple[str, ...] = ("neighbours",)
    stored_under: str = "near."

    def serves(self, normal: NormalRows) -> bool:
        """Every row meets some."""
        return True

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedNear:
        """Nothing is learned."""
        return FittedNear(rows.normal.smallest)

    def out_of_fold(self, fitted: FittedNear, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] as they are: no row is its own neighbour."""
        return fitted.anomaly_scores(rows.met)

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedNear:
        """The inverse of `arrays`, which are none."""
        return FittedNear(normal.smallest)
