"""Whole windows of normal records: `SHAPE` knows the usual ones of all channels, `PATTERN` remembers those of a few."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import LEARNED, Floats, Progress, TrainingRows, score_out_of_fold
from latentwatch.detector.components.prototypes import WindowMemory, fit_shapes, remember_windows
from latentwatch.detector.sequences.layout import Layout
from latentwatch.domain.monitor import ModelChoice

_SHAPES = 32
_REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class FittedWindows:
    """Windows that normal records have shown."""

    asks: "Windows"
    layout: Layout
    memory: WindowMemory

    def look(self, features: Floats) -> Floats:
        """[N, W] the part of context rows [N, D] that it sees."""
        return self.asks.look(self.layout, features)

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """[N] half the log squared distance to the nearest window, a number."""
        return {self.asks.name: self.memory.anomaly_score(self.look(features))}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return self.memory.arrays()


@dataclass(frozen=True, slots=True)
class Windows:
    """How far a window lies from the nearest of those that `remember` keeps of normal ones."""

    name: str
    look: Callable[[Layout, Floats], Floats]
    remember: Callable[[Floats, int], WindowMemory]
    """From windows [N, W] and a seed."""
    learned: float

    @property
    def scores(self) -> tuple[str, ...]:
        """One, its own name."""
        return (self.name,)

    @property
    def stored_under(self) -> str:
        """Before the names of its arrays in a bundle."""
        return f"window.{self.name}."

    def serves(self, layout: Layout) -> bool:
        """Whether such windows are told of."""
        return bool(self.look(layout, np.zeros((1, layout.width), np.float32)).size)

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> FittedWindows:
        """Keep windows of all rows."""
        memory = self.remember(self.look(rows.layout, rows.features), choice.seed)
        return FittedWindows(self, rows.layout, memory)

    def out_of_fold(self, fitted: FittedWindows, rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by windows of the other folds."""
        return {self.name: score_out_of_fold(rows, fitted.look, lambda seen: self.remember(seen, seed))}

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> FittedWindows:
        """The inverse of `arrays`."""
        fitted = FittedWindows(self, layout, WindowMemory(arrays["rows"]))
        if fitted.memory.rows.shape[1:] != fitted.look(np.zeros((1, layout.width), np.float32)).shape[1:]:
            raise ValueError("the remembered windows do not fit the channels")
        return fitted


def _usual_shapes(windows: Floats, seed: int) -> WindowMemory:
    return fit_shapes(windows, _SHAPES, seed)


def _as_they_are(windows: Floats, seed: int) -> WindowMemory:
    return remember_windows(windows, _REMEMBERED)


SHAPE = Windows("shape", Layout.shape, _usual_shapes, LEARNED)
PATTERN = Windows("pattern", Layout.windows, _as_they_are, learned=0.0)
"""It knows its own windows by heart, so that their anomaly scores in the sample say nothing."""
