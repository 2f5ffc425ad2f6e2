"""How far out in the tails of single columns a row lies.

Rows that are strange in many columns a little, each within what was seen, may be near to others like them and easily
predicted: what gives them away is that they lie at the end of column after column. The component is that of ECOD (Li et al.
2022): for each column -ln of the share of normal rows that lie as far out or farther, to the left and to the right; mean
over columns of the left, of the right, and of whichever side the column is skewed to; the largest of the three. Here it
counts only beyond what three of four normal rows reach, at most 1 however far, and only as far as columns are skewed:
where they are not, what is strange lies between normal rows as often as beyond them.

A row is compared with levels, shares of normal rows a constant factor apart, so that a column costs two comparisons of a
whole tile. As in the memory, one equal value is passed over: a row that was learned from is judged as a new one is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import LearnedRows, Met, NormalRows
from latentwatch.detector.kernels import compiled
from latentwatch.detector.vectors import TILE, count_above
from latentwatch.domain.model_choice import ModelChoice

STEP = 7.0 / TILE
"""Nats from one level to the next; the last stands for nine rows in ten thousand."""
NOWHERE = np.float32(-3e38)
"""An edge that nothing lies beyond."""


class Tails(NamedTuple):
    """What the compiled function needs."""

    left: Floats
    """[P * TILE] column after column: what a value must lie below to reach each level."""
    right: Floats
    """[P * TILE] minus what it must lie above."""
    skew: Floats
    """[P] 1 where a column's longer tail is the right one, else 0."""
    usual: float
    """What three of four normal rows do not reach."""
    spread: float
    """Distance between the quartiles of normal rows."""
    strength: float
    """0 to 1: how skewed the columns are."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        scale = np.array([self.usual, self.spread, self.strength])
        return {"left": self.left, "right": self.right, "skew": self.skew, "scale": scale}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> Self:
        """The inverse of `arrays`, for rows of `width` columns. Raises ValueError where they are not."""
        left, right, skew, scale = (arrays[name] for name in ("left", "right", "skew", "scale"))
        if (left.shape, right.shape, skew.shape, scale.shape) != ((width * TILE,), (width * TILE,), (width,), (3,)):
            raise ValueError("the columns' tails do not fit the columns")
        return cls(left, right, skew, *scale.tolist())


@compiled
def reached(row: Floats, tails: Tails) -> float:
    """Mean nats over a row's columns [P]: to the left, to the right or to the side of the longer tail, whichever is most."""
    left, right, longer = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for j in range(row.shape[0]):
        below = np.float32(count_above(tails.left, j * TILE, row[j]))
        above = np.float32(count_above(tails.right, j * TILE, -row[j]))
        left += below
        right += above
        longer += below + tails.skew[j] * (above - below)
    nats: float = max(left, right, longer) * STEP / row.shape[0]
    return nats


@compiled
def reached_by(rows: Floats, tails: Tails, out: Floats) -> None:
    """Fill `out` [N] with what each row [N, P] reaches."""
    for n in range(rows.shape[0]):
        out[n] = reached(rows[n], tails)


@dataclass(frozen=True, slots=True)
class FittedColumnTails:
    """The tails of each column."""

    tails: Tails

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N] 0 to the columns' strength, at most 1."""
        nats = np.empty(len(met), np.float32)
        reached_by(met.values, self.tails, nats)
        extent = np.maximum((nats - self.tails.usual) / self.tails.spread, 0.0)
        return {"tails": np.asarray(self.tails.strength * extent / (extent + 1.0), np.float32)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return self.tails.arrays()


@dataclass(frozen=True, slots=True)
class ColumnTails:
    """How far out in the tails of single columns a row lies."""

    name: str = "tails"
    scores: tuple[str, ...] = ("tails",)
    calibrated: tuple[str, ...] = ()
    stored_under: str = "tails."

    def serves(self, normal: NormalRows) -> bool:
        """Every row has columns."""
        return True

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedColumnTails:
        """Learn the tails of the rows that are kept."""
        return FittedColumnTails(fit_tails(rows.normal.rows))

    def out_of_fold(self, fitted: FittedColumnTails, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] as they are: a value is not compared with itself."""
        return fitted.anomaly_scores(rows.met)

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedColumnTails:
        """The inverse of `arrays`."""
        return FittedColumnTails(Tails.from_bundle(arrays, normal.width))


def fit_tails(rows: Floats) -> Tails:
    """Learn the tails of normal rows [M, P], M >= 1."""
    count, width = rows.shape
    distance = rows - rows.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(np.square(distance).mean(axis=0))
    varies = spread > 1e-6
    skewness = (distance**3).mean(axis=0) / np.where(varies, spread, 1.0) ** 3
    strength = min(1.0, float(np.median(np.abs(skewness[varies])))) ** 2 if varies.any() else 0.0
    sides = [_edges(np.sort(side, axis=0)) for side in (rows, -rows)]
    tails = Tails(sides[0], sides[1], (skewness > 0).astype(np.float32), 0.0, 1.0, strength)
    nats = np.empty(count, np.float32)
    reached_by(np.ascontiguousarray(rows, np.float32), tails, nats)
    lower, upper = (float(value) for value in np.quantile(nats, [0.25, 0.75]))
    return tails._replace(usual=upper, spread=max(upper - lower, STEP / width))


def _edges(ordered: Floats) -> Floats:
    """[P * TILE] below what a value reaches each level, given each column in order [M, P].

    The level of a share p is the leave-one-out quantile: of the other M - 1 values at most p (M + 1) - 1/2 lie as far out as one
    that reaches it. A value at that rank which stands alone is left out by widening its edge to the next number.
    """
    count, width = ordered.shape
    edges = np.full((width, TILE), NOWHERE, np.float32)
    for level in range(TILE):
        rank = int(np.floor(np.exp(-STEP * (level + 1)) * (count + 1) - 0.5))
        if 0 <= rank < count:
            edge = ordered[rank].astype(np.float32)
            alone = ordered[rank + 1] > edge if rank + 1 < count else np.ones(width, bool)
            edges[:, level] = np.where(alone, np.nextafter(edge, np.float32(np.inf)), edge)
    return edges.ravel()
