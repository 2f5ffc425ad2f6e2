"""What is compared: a method learns from training rows, then gives each row one number, higher = stranger."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PROMISED_RATE = 0.01
"""The share of normal rows that every method is asked to flag at most; the default of `LatentDetector`."""

Group = Literal["ours", "peer", "dummy"]


class Outliers(Protocol):
    """One method. `flags` is its verdict at its own default threshold for PROMISED_RATE, chosen without labels."""

    def fit(self, train: Floats) -> None: ...

    def strangeness(self, rows: Floats) -> Floats:
        """[N] higher = stranger."""
        ...

    def training_strangeness(self) -> Floats:
        """[N] of the training rows, none counted as its own neighbour."""
        ...

    def flags(self, rows: Floats, strangeness: Floats) -> Flags:
        """[N] which rows are called anomalous; `strangeness` is what the method gave those rows."""
        ...


@dataclass(frozen=True, slots=True)
class Method:
    """A named method, and how it is built for a seed."""

    name: str
    group: Group
    build: Callable[[int], Outliers]
    seeds: int = 3
    """How many seeds a full run gives it: one where training is too slow for more or nothing is drawn."""
    quick: bool = False
    """Whether the quick run includes it."""
    leaves_out: frozenset[str] = frozenset()
    """Sets on which it would take hours; the report says over how many sets its mean is."""
    library: str = "pyod"
    """The distribution whose version decides whether a kept result still holds; of peers only."""


class TrainingQuantile:
    """The threshold people set by hand: the training scores' own quantile at the promised rate."""

    limit: float = np.inf

    def flags(self, rows: Floats, strangeness: Floats) -> Flags:
        """[N] rows above the training quantile."""
        del rows
        return np.asarray(strangeness > self.limit)

    def learn_limit(self, training: Floats) -> None:
        """Set the limit from training scores."""
        self.limit = float(np.quantile(training, 1 - PROMISED_RATE))
