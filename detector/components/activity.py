"""How many channels are moving. Nothing is learned: the context keeps each channel's usual movement."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.context_rows import LEARNED, TrainingRows
from latentwatch.detector.sequences.layout import ACTIVITY, Layout
from latentwatch.domain.model_choice import ModelChoice

_AT_REST = 1e-3
"""Activity below which less says nothing."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Half the log of the mean over channels of v / (1 + sqrt v)^2, v the short-term variance of steps in squared scales.

    No channel counts more than once, however wild.
    """

    name: str = "activity"
    scores: tuple[str, ...] = ("activity",)
    stored_under: str = "activity."
    learned: float = LEARNED

    def serves(self, layout: Layout) -> bool:
        """Every context row tells it."""
        return True

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> "FittedActivity":
        """Nothing is learned."""
        return FittedActivity(rows.layout)

    def out_of_fold(self, fitted: "FittedActivity", rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """[N] as they are: nothing was learned from any row."""
        return fitted.anomaly_scores(rows.features)

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> "FittedActivity":
        """The inverse of `arrays`, which are none."""
        return FittedActivity(layout)


@dataclass(frozen=True, slots=True)
class FittedActivity:
    """Reads the activity that context rows tell."""

    layout: Layout

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """[N]"""
        moving = self.layout.tail(features, ACTIVITY)
        return {"activity": np.asarray(0.5 * np.log(moving + _AT_REST), np.float32)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """None."""
        return {}
