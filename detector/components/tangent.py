"""How far a row lies from the plane through its nearest normal rows.

Where normal rows lie on a surface, a row may lie between them along it, not beside it. The score is the log of that distance
where more than a few nearest rows are met; otherwise 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import SHOWN, LearnedRows, Met, NormalRows
from latentwatch.detector.kernels import compiled
from latentwatch.domain.model_choice import ModelChoice


class Plane(NamedTuple):
    """Room for one row's plane through its k nearest."""

    arms: Floats
    """[k + 1, P] the nearest rows as seen from their mean, and last the row itself."""
    gram: Floats
    """[k, k] products of arms, then their lower Cholesky factor."""
    along: Floats
    """[k] how far the row goes along each arm."""


@compiled
def from_plane(row: Floats, rows: Floats, index: NDArray[np.int64], plane: Plane) -> float:
    """Distance of a row [P] from the plane through its nearest rows, those of `rows` [M, P] at `index` [k].

    With A the arms [k, P], r the row from the mean of the nearest and a ridge of the arms' mean square length,
    |r - A' (A A' + ridge I)^-1 A r|: of what lies within the neighbours' spread a half or more is taken off, of what
    lies across them nothing.
    """
    count, width = index.shape[0], row.shape[0]
    arms, gram, along = plane
    own = arms[count]
    own[:] = 0.0
    for a in range(count):
        for j in range(width):
            own[j] += rows[index[a], j] / np.float32(count)
    for a in range(count):
        for j in range(width):
            arms[a, j] = rows[index[a], j] - own[j]
    for j in range(width):
        own[j] = row[j] - own[j]
    trace = np.float32(0.0)
    for a in range(count):
        for b in range(a + 1):
            product = np.float32(0.0)
            for j in range(width):
                product += arms[a, j] * arms[b, j]
            gram[a, b] = product
        trace += gram[a, a]
        along[a] = 0.0
        for j in range(width):
            along[a] += arms[a, j] * own[j]
    ridge = trace / np.float32(count) + np.float32(1e-9)
    for a in range(count):
        gram[a, a] += ridge
        for b in range(a + 1):
            product = gram[a, b]
            for c in range(b):
                product -= gram[a, c] * gram[b, c]
            gram[a, b] = np.sqrt(max(product, np.float32(1e-20))) if a == b else product / gram[b, b]
        for b in range(a):
            along[a] -= gram[a, b] * along[b]
        along[a] /= gram[a, a]
    for a in range(count - 1, -1, -1):
        for b in range(a + 1, count):
            along[a] -= gram[b, a] * along[b]
        along[a] /= gram[a, a]
    squared = np.float32(0.0)
    for a in range(count):
        for j in range(width):
            own[j] -= along[a] * arms[a, j]
    for j in range(width):
        squared += own[j] * own[j]
    distance: float = np.sqrt(squared)
    return distance


@compiled
def _off_planes(values: Floats, rows: Floats, nearest: NDArray[np.int64], smallest: float, out: Floats) -> None:
    """Fill `out` [N] with the log of the distances of rows [N, P] from the planes through their nearest."""
    count, width = nearest.shape[1], values.shape[1]
    plane = Plane(
        np.empty((count + 1, width), np.float32), np.empty((count, count), np.float32), np.empty(count, np.float32)
    )
    for n in range(values.shape[0]):
        out[n] = np.log(from_plane(values[n], rows, nearest[n], plane) + smallest)


@dataclass(frozen=True, slots=True)
class FittedTangent:
    """Compares rows with the planes."""

    normal: NormalRows

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N]"""
        out = np.zeros(len(met), np.float32)
        if met.nearest.shape[1] > SHOWN:
            _off_planes(met.values, self.normal.rows, met.nearest, self.normal.smallest, out)
        return {"tangent": out}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """None: the normal rows are the model's."""
        return {}


@dataclass(frozen=True, slots=True)
class Tangent:
    """The log of the distance from the plane through the nearest normal rows."""

    name: str = "tangent"
    scores: tuple[str, ...] = ("tangent",)
    calibrated: tuple[str, ...] = ()
    stored_under: str = "tangent."

    def serves(self, normal: NormalRows) -> bool:
        """Every row meets some."""
        return True

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedTangent:
        """Nothing is learned."""
        return FittedTangent(rows.normal)

    def out_of_fold(self, fitted: FittedTangent, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] as they are: no row is its own neighbour."""
        return fitted.anomaly_scores(rows.met)

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedTangent:
        """The inverse of `arrays`, which are none."""
        return FittedTangent(normal)
