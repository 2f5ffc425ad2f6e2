"""What components of records that stand alone look at, and what they learn from: rows beside the normal rows nearest to them.

Rows [N, P] and the memory of normal rows -> Met: distances [N, k] and places [N, k] of each row's nearest
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Component, Floats
from latentwatch.detector.latent.examples import Landmarks
from latentwatch.detector.neighbours import Memory

SHOWN = 5
"""Nearest rows that every component may count on; of more, what is costly looks at some more."""
ROW_FOLDS = 3
"""Parts of the training rows, drawn at random; a member of an ensemble does not train on one of them."""
EVERYONE = 1_000
"""More members than any ensemble has."""


@dataclass(frozen=True, slots=True)
class NormalRows:
    """The normal rows that are kept."""

    memory: Memory
    smallest: float
    """Added to distances before their log; small beside distances between neighbours."""
    readings: Floats
    """[P] 1 for a column that tells a value, 0 for one that only says whether a value is missing."""
    owners: NDArray[np.intp]
    """[P] the feature that each column belongs to, by its place."""
    by_column: Floats = field(init=False, repr=False, compare=False)
    """[M, P] the rows, column by column in memory."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_column", np.asfortranarray(self.memory.rows))

    @property
    def rows(self) -> Floats:
        """[M, P] in the memory's order."""
        return self.memory.rows

    @property
    def width(self) -> int:
        """P"""
        return int(self.memory.rows.shape[1])

    def read(self, present: Floats) -> Floats:
        """[N, P] or [1, P], as `present` is: 1 where a value is present and its column tells values."""
        return present if self.readings.all() else present * self.readings

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {
            **prefixed("memory.", self.memory.arrays()),
            "smallest": np.array([self.smallest]),
            "readings": self.readings,
            "owners": self.owners,
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`."""
        memory, readings, owners = Memory.from_bundle(below(arrays, "memory.")), arrays["readings"], arrays["owners"]
        if (readings.shape, owners.shape) != (memory.rows.shape[1:],) * 2:
            raise ValueError("the kept rows have other columns than what says which of them tell values, and of what")
        return cls(memory, float(arrays["smallest"][0]), readings, owners)


@dataclass(frozen=True, slots=True)
class Met:
    """N rows beside the k normal rows nearest to them, k at least `SHOWN`."""

    values: Floats
    """[N, P] the rows, prepared."""
    present: Floats
    """[N, P] or [1, P] for all: 1 where a value is present."""
    distances: Floats
    """[N, k] nearest first."""
    nearest: NDArray[np.int64]
    """[N, k] places in the memory."""
    known: NDArray[np.bool_]
    """[N] whether the row is judged as one that was learned from."""
    members: int = EVERYONE
    """Of an ensemble, how many are asked."""

    def __len__(self) -> int:
        return len(self.values)

    def present_of(self, rows: NDArray[np.bool_]) -> Floats:
        """`present` of some of the rows."""
        return self.present if len(self.present) == 1 else self.present[rows]

    def as_new(self) -> "Met":
        """The same rows, judged as rows that the memory does not hold."""
        return replace(self, known=np.zeros(len(self), bool))


@dataclass(frozen=True, slots=True)
class LearnedRows:
    """Training rows beside the normal rows nearest to them, none of which is the row itself, and the fold of each."""

    met: Met
    normal: NormalRows
    place: NDArray[np.int64]
    """[N] the row's own place in the memory, -1 where it is not in it."""
    folds: NDArray[np.intp]
    """[N] its fold: the member of an ensemble that does not train on it."""
    landmarks: Landmarks | None = None
    """Of the version before, as prepared rows: they are to keep their codes."""

    @property
    def kept(self) -> NDArray[np.intp]:
        """[M] which of the rows the memory holds, in its order; all of them must be there."""
        held = np.flatnonzero(self.place >= 0)
        return held[np.argsort(self.place[held])]


class RowComponent(Component[LearnedRows, Met, NormalRows], Protocol):
    """A component of records that stand alone: it looks at rows beside the normal rows nearest to them."""

    @property
    def calibrated(self) -> tuple[str, ...]:
        """Those of its scores that mean something alone: they are calibrated on their own too, and told beside the whole."""
        ...


@runtime_checkable
class Rebuilding(Protocol):
    """A fitted component that says what rows should have been."""

    def rebuilt(self, met: Met) -> Floats:
        """[N, P] what each row should have been."""
        ...


@runtime_checkable
class RowCoded(Protocol):
    """A fitted component with a latent code of rows, which a map can show."""

    @property
    def code_size(self) -> int:
        """K"""
        ...

    def codes(self, values: Floats) -> Floats:
        """[N, K] of prepared rows [N, P]."""
        ...

    def decode(self, codes: Floats) -> Floats:
        """[N, P] the mean row at codes [N, K]."""
        ...
