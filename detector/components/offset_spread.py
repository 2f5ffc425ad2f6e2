"""How usual an offset is: a few directions in which offsets have a variance of their own, and one variance for what is left.

offsets [N, P] -> half the log of their mean squared whitened size [N]

The covariance has the form of probabilistic principal components (Tipping and Bishop 1999), shrunk towards the identity. Each
row's sums are taken in one order, so that it gets the same bits alone and in a batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats
from latentwatch.detector.kernels import compiled_exactly

_DIRECTIONS = 64
"""With as many as columns tables are ranked no better."""
_FLOOR = 0.03
"""Added to each variance, in mean variances: what hardly ever moves must not drown the rest."""
_DENSE = 256
"""Columns up to which all directions are computed, which then takes less than finding the leading ones."""


@compiled_exactly
def _sizes(
    offsets: Floats,
    present: Floats,
    readings: Floats,
    directions: Floats,
    precisions: Floats,
    rest: float,
    smallest: float,
    out: Floats,
) -> None:
    """Fill `out` [N]; `present` is [N, P], or [1, P] for all rows."""
    along = np.empty(directions.shape[1], np.float32)
    for n in range(offsets.shape[0]):
        there = present[n if present.shape[0] > 1 else 0]
        along[:] = np.float32(0.0)
        whole, columns, squared = 0.0, 0.0, 0.0
        for j in range(offsets.shape[1]):
            offset = offsets[n, j] * there[j]
            columns += there[j]
            if readings[j] == 0.0:
                squared += offset * offset
                continue
            whole += offset * offset
            for r in range(along.shape[0]):
                along[r] += offset * directions[j, r]
        for r in range(along.shape[0]):
            part = along[r] * along[r]
            squared += part * precisions[r]
            whole -= part
        squared += max(whole, 0.0) * rest
        out[n] = 0.5 * np.log(squared / max(columns, 1e-9) + smallest * smallest)


@dataclass(frozen=True, slots=True)
class OffsetSpread:
    """What a covariance of offsets says of how far one lies out."""

    directions: Floats
    """[P, R] orthonormal."""
    precisions: Floats
    """[R] the mean variance over that of each direction."""
    rest: float
    """The same of all that lies across them."""
    readings: Floats
    """[P] 0 for a column that only says whether a value is missing: its offsets count as they are. A gap that is rare lies along
    a direction in which normal rows hardly ever differ; measured by that, any gap would be the strangest thing there is."""
    smallest: float
    """Added to sizes before their log, in the offsets' own units."""

    def anomaly_score(self, offsets: Floats, present: Floats) -> Floats:
        """[N] of offsets [N, P], of which those count where `present`, [N, P] or [1, P] for all, is 1."""
        out = np.empty(len(offsets), np.float32)
        _sizes(offsets, present, self.readings, self.directions, self.precisions, self.rest, self.smallest, out)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {
            "directions": self.directions,
            "precisions": self.precisions,
            "readings": self.readings,
            "scalars": np.array([self.rest, self.smallest]),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> Self:
        """The inverse of `arrays`, for offsets of `width` columns. Raises ValueError where shapes do not fit."""
        directions, precisions, readings = (arrays[name] for name in ("directions", "precisions", "readings"))
        if (directions.shape, readings.shape) != ((width, len(precisions)), (width,)):
            raise ValueError("the spread of offsets does not fit the rows")
        rest, smallest = arrays["scalars"].tolist()
        return cls(directions, precisions, rest, readings, smallest)


def fit_spread(offsets: Floats, readings: Floats, smallest: float) -> OffsetSpread:
    """The spread of offsets [N, P], N >= 1, around 0, with `readings` [P] as above; `smallest` is small beside usual offsets."""
    count, width = len(offsets), int(readings.sum())
    values = offsets.astype(np.float64) * readings
    covariance = values.T @ values / count
    typical = float(np.trace(covariance)) / max(width, 1)
    if not typical > smallest * smallest:  # nothing ever lies off: any offset is one
        nothing = np.zeros((len(readings), 0), np.float32)
        return OffsetSpread(nothing, np.zeros(0, np.float32), 1.0, readings, smallest)
    spread, directions = _leading(covariance, min(width, _DIRECTIONS))
    shrink = width / (count + width)
    variances = (1 - shrink) * np.maximum(spread, 0.0) + (shrink + _FLOOR) * typical
    left = width - len(variances)
    rest = 0.0
    if left:
        across = max(float(np.trace(covariance) - spread.sum()), 0.0) / left
        rest = typical / ((1 - shrink) * across + (shrink + _FLOOR) * typical)
    return OffsetSpread(
        np.ascontiguousarray(directions, np.float32), (typical / variances).astype(np.float32), rest, readings, smallest
    )


def _leading(covariance: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The `count` largest eigenvalues and their vectors [P, count]."""
    width = len(covariance)
    if width <= _DENSE:
        spread, directions = np.linalg.eigh(covariance)
        return spread[::-1][:count], directions[:, ::-1][:, :count]
    from scipy.sparse.linalg import eigsh

    spread, directions = eigsh(covariance, count, v0=np.ones(width))
    return spread[::-1], directions[:, ::-1]
