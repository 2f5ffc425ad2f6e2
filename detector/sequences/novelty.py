"""What training never showed at all: constants that move, values that are missing, channels that stand still.

No component can be calibrated on it, so that it is added to their mean.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.sequences.layout import MISSING, MOVED, MOVED_LONG, STANDSTILL, Layout

Floats: TypeAlias = NDArray[np.float32]

NOVELTY = "novelty"
"""The name of its part."""

_FORGOTTEN, _LONG_FORGOTTEN = 0.02, 0.005
"""Recent moved constants below which the last one is long ago, on the shorter and the longer average."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """A surprise by rule."""

    missing_usual: float
    """The largest recent number of missing values in training."""

    def surprise(self, layout: Layout, features: Floats, standstill: Floats | None = None) -> Floats:
        """[N] surprise of constant channels that moved, recently and over a longer time, of values missing as never in
        training, and of a channel that stands still or is missing longer than ever in training.

        `standstill` [N] takes the place of what context rows [N, D] tell of it.
        """
        moved, missing, moved_long = (layout.tail(features, at) for at in (MOVED, MISSING, MOVED_LONG))
        still = layout.tail(features, STANDSTILL) if standstill is None else standstill
        recently = 2.0 * np.log1p(8.0 * np.maximum(moved - _FORGOTTEN, 0.0))
        longer = 0.5 * np.log1p(16.0 * np.maximum(moved_long - _LONG_FORGOTTEN, 0.0))
        lacking = np.log1p(4.0 * np.maximum(missing - self.missing_usual, 0.0))
        return np.asarray(recently + longer + lacking + 0.5 * still, np.float32)


def fit_novelty(layout: Layout, features: Floats) -> Novelty:
    """Learn from context rows [N, D] of training how many values are usually missing."""
    return Novelty(float(layout.tail(features, MISSING).max()))
