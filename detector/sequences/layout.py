"""Where in a context row [D] stands what components look at: C channels of a record and of its entity's recent past.

now C | quarter-window average C | window average C | variance of steps C | window's shape, `patches` x C | charts C |
TAIL numbers
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.sequences.recursion import RECENT, TAIL

Floats: TypeAlias = NDArray[np.float32]

MOVED, MISSING, MOVED_LONG, ACTIVITY, STANDSTILL = range(TAIL)
"""Which of the numbers after the blocks is which."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The widths that place everything in a context row."""

    channels: int
    """C"""
    patches: int
    """Segments that the window's shape is told in; 0 where it is not."""

    @property
    def width(self) -> int:
        """D"""
        return self._tail + TAIL

    @property
    def _tail(self) -> int:
        """Where the numbers after the blocks begin."""
        return (RECENT + self.patches + 1) * self.channels

    def recent(self, features: Floats, blocks: int = RECENT) -> Floats:
        """[N, blocks C] the record, then averages over a quarter and one window, then the variance of steps."""
        return features[:, : blocks * self.channels]

    def shape(self, features: Floats) -> Floats:
        """[N, patches C] the window's shape in segments."""
        return features[:, RECENT * self.channels : (RECENT + self.patches) * self.channels]

    def charts(self, features: Floats) -> Floats:
        """[N, C] the chart of each channel against what the others predict, in usual sizes."""
        first = (RECENT + self.patches) * self.channels
        return features[:, first : first + self.channels]

    def tail(self, features: Floats, at: int) -> Floats:
        """[N] one of the numbers after the blocks."""
        return features[:, self._tail + at]
