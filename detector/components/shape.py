"""Whether the recent window runs as windows usually do: the usual shapes of all channels together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.context_rows import LEARNED, TrainingRows, score_out_of_fold
from latentwatch.detector.components.prototypes import UsualShapes, fit_shapes
from latentwatch.detector.sequences.layout import Layout
from latentwatch.domain.model_choice import ModelChoice

_SHAPES = 32


@dataclass(frozen=True, slots=True)
class FittedShape:
    """The shapes that windows of normal records usually have."""

    layout: Layout
    usual: UsualShapes

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """[N] half the log squared distance to the nearest usual shape, a number."""
        return {"shape": self.usual.anomaly_score(self.layout.shape(features))}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return self.usual.arrays()


@dataclass(frozen=True, slots=True)
class Shape:
    """How far a window lies from the nearest of the usual ones."""

    name: str = "shape"
    scores: tuple[str, ...] = ("shape",)
    stored_under: str = "window.shape."
    learned: float = LEARNED

    def serves(self, layout: Layout) -> bool:
        """Whether the window's shape is told of."""
        return layout.patches > 0

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> FittedShape:
        """Learn the usual shapes of all rows."""
        return FittedShape(rows.layout, fit_shapes(rows.layout.shape(rows.features), _SHAPES, choice.seed))

    def out_of_fold(self, fitted: FittedShape, rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the usual shapes of the other folds."""
        return {self.name: score_out_of_fold(rows, rows.layout.shape, lambda seen: fit_shapes(seen, _SHAPES, seed))}

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> FittedShape:
        """The inverse of `arrays`."""
        usual = UsualShapes(arrays["rows"])
        if usual.rows.shape[1:] != (layout.patches * layout.channels,):
            raise ValueError("the usual shapes do not fit the channels")
        return FittedShape(layout, usual)
