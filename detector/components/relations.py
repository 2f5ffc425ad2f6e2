"""Whether each channel shows, over a while, what the others predict of it. The context keeps the charts that say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.context_rows import LEARNED, TrainingRows
from latentwatch.detector.sequences.layout import Layout
from latentwatch.domain.model_choice import ModelChoice

_BARELY_OFF = 0.1
"""Usual sizes of a chart below which a smaller one says nothing."""


@dataclass(frozen=True, slots=True)
class Relations:
    """The log of the largest chart, in usual sizes: the channel that is furthest from what the others predict."""

    name: str = "relations"
    scores: tuple[str, ...] = ("relations",)
    stored_under: str = "relations."
    learned: float = LEARNED

    def serves(self, layout: Layout) -> bool:
        """Every context row holds charts."""
        return True

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> "FittedRelations":
        """Nothing is learned here: the charts are the context's."""
        return FittedRelations(rows.layout)

    def out_of_fold(self, fitted: "FittedRelations", rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """[N] by charts whose regressions did not see a row's fold."""
        return {self.name: _furthest(rows.charts)}

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> "FittedRelations":
        """The inverse of `arrays`, which are none."""
        return FittedRelations(layout)


@dataclass(frozen=True, slots=True)
class FittedRelations:
    """Reads the charts that context rows tell."""

    layout: Layout

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """[N]"""
        return {"relations": _furthest(self.layout.charts(features))}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """None."""
        return {}


def _furthest(charts: Floats) -> Floats:
    return np.asarray(np.log(np.abs(charts).max(axis=1) + _BARELY_OFF), np.float32)
