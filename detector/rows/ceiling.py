"""How far one score may lift a row: no higher than as rare a row reaches by all others.

The sum of a row's anomaly scores takes them for reasons that come together. A number that the rest of its row predicts otherwise
comes alone, and so does an odd text. With a weight that finds such numbers, the strangest normal ones reached more than an odd
text ever does, so that texts nobody had ever written were no longer flagged.

    lift = max(0, min(w s, L2 + (L2 - L1) s - rest))

with s the surprise beyond one in a hundred, w its weight, and L1, L2 what the sum of the rest reaches in one of ten and in one
of a hundred normal rows: L2 + (L2 - L1) s is what it reaches in as rare a row, if its tail goes on as it began.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats

LIFTING = "predicted"
"""The anomaly score that may come alone; it is 0 up to one in a hundred normal rows, and then counts decades."""
ENOUGH = 2_000
"""Normal rows that tell what the rest reaches."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the sum of the other anomaly scores reaches in normal rows."""

    one_in_ten: float
    one_in_hundred: float

    @property
    def decade(self) -> float:
        """By how much the sum of the rest rises from one of ten to one of a hundred normal rows."""
        return self.one_in_hundred - self.one_in_ten

    def lift(self, rest: Floats, beyond: Floats, weight: float) -> Floats:
        """[N] what the score adds to the sum of the rest [N], given how many decades beyond one in a hundred it lies [N]."""
        as_rare = np.float32(self.one_in_hundred) + np.float32(self.decade) * beyond
        lift = np.maximum(np.minimum(np.float32(weight) * beyond, as_rare - rest), 0.0)
        return np.asarray(np.where(beyond > 0, lift, 0.0), np.float32)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What a bundle stores."""
        return {"ceiling": np.array([self.one_in_ten, self.one_in_hundred], np.float32)}

    @classmethod
    def from_bundle(cls, array: NDArray[np.float32]) -> Self:
        """The inverse of `arrays`. Raises ValueError for what is none."""
        if array.shape != (2,) or not np.isfinite(array).all() or array[1] < array[0]:
            raise ValueError("how far a number may lift a row is not two numbers that rise")
        return cls(float(array[0]), float(array[1]))


def ceiling_of(rest: Floats) -> Ceiling:
    """From the sum of the other anomaly scores [N] of normal rows that were judged as new ones."""
    return Ceiling(*(float(level) for level in np.quantile(rest, (0.9, 0.99)).astype(np.float32)))
