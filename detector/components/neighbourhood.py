"""What kind of normal rows a row's nearest are: close to each other, or far from the bulk.

    spacing     log mean over the nearest rows of how far they lie from their own neighbours
    suspicion   mean over the nearest rows of how far they lie from the middle of the bulk; 0 for a row that is new

Suspicion is for rows that were learned from. Whether a new row is normal is for its nearest normal rows to say (novelty
detection). Of a row among those it was learned with that is asked in a circle: strange rows that came in a group vouch
for each other, and only the crowd can say so (outlier detection). scikit-learn's LocalOutlierFactor has a switch for
the two; here the row itself tells, by standing in the memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import LearnedRows, Met, NormalRows
from latentwatch.domain.model_choice import ModelChoice

REACH = 0.1
"""Share of all rows within a row's reach: groups of strange rows smaller than that do not look common."""
REACH_ROWS = 1_000
"""Rows, drawn at random, among which reach is measured."""
NARROWEST = 0.05
"""Quartiles of the log reach are taken to lie at least so far apart."""
INNERMOST, REMOTEST = -1.0, 3.5
"""Quartile distances from the median beyond which the log reach does not count."""


@dataclass(frozen=True, slots=True)
class FittedNeighbourhood:
    """What is known of each normal row."""

    remoteness: Floats
    """[M] how far each normal row lies from the middle of the bulk of them."""
    spacing: Floats
    """[M] mean distance of each normal row from its own nearest."""
    smallest: float

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N] each"""
        remoteness = self.remoteness[met.nearest]
        apart = np.log(self.spacing[met.nearest].mean(axis=1) + self.smallest)
        suspicion = np.where(met.known, remoteness.mean(axis=1), np.float32(0.0))
        return {"spacing": np.asarray(apart, np.float32), "suspicion": suspicion}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"remoteness": self.remoteness, "spacing": self.spacing}


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """How far the nearest normal rows lie from the bulk of them, and from each other."""

    name: str = "neighbourhood"
    scores: tuple[str, ...] = ("spacing", "suspicion")
    calibrated: tuple[str, ...] = ()
    stored_under: str = "neighbourhood."

    def serves(self, normal: NormalRows) -> bool:
        """Every row meets some."""
        return True

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedNeighbourhood:
        """Measure it of every row that is kept."""
        normal = rows.normal
        return FittedNeighbourhood(
            remoteness_of(normal.rows, normal.smallest, np.random.default_rng(choice.seed)),
            rows.met.distances[rows.kept].mean(axis=1),
            normal.smallest,
        )

    def out_of_fold(self, fitted: FittedNeighbourhood, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] as they are: no row is its own neighbour."""
        return fitted.anomaly_scores(rows.met)

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedNeighbourhood:
        """The inverse of `arrays`."""
        remoteness, spacing = arrays["remoteness"], arrays["spacing"]
        if (remoteness.shape, spacing.shape) != ((len(normal.memory),),) * 2:
            raise ValueError("what is known of the normal rows does not fit their number")
        return FittedNeighbourhood(remoteness, spacing, normal.smallest)


def remoteness_of(rows: Floats, smallest: float, random: np.random.Generator) -> Floats:
    """How far each row [M, P] lies from the middle of the bulk of them [M]: its log reach less the median, in quartile
    distances, at least -1 and at most 3.5.

    Reach is the distance within which a share `REACH` of all rows lies. Strange rows that training data hold in groups
    are each other's nearest neighbours and would vouch for each other, but their reach gives them away. The bound keeps
    a rare but normal mode from drowning everything else.
    """
    some = min(len(rows), REACH_ROWS)
    others = rows if some == len(rows) else rows[np.sort(random.choice(len(rows), some, replace=False))]
    place = min(max(1, round(REACH * len(others))), len(others) - 1)
    squares = np.square(others).sum(axis=1)
    squared = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), 512):
        block = rows[start : start + 512]
        apart = np.square(block).sum(axis=1)[:, None] + squares - 2.0 * block @ others.T
        squared[start : start + 512] = np.partition(apart, place, axis=1)[:, place]
    reach = np.log(np.sqrt(np.maximum(squared, 0.0)) + smallest)
    lower, median, upper = np.quantile(reach, [0.25, 0.5, 0.75])
    beyond = (reach - median) / max(upper - lower, NARROWEST)
    return np.asarray(np.clip(beyond, INNERMOST, REMOTEST), np.float32)
