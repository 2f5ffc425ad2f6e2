"""A partition's entities: where each one's state lies in the store, and which place it has in the partition's snapshots."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from latentwatch.streams.context.ledger import Ledger

_NOBODY = -1


class Roster:
    """An entity keeps its place until it is forgotten, so that a chunk of places changes only with its own entities.

    A newcomer takes the lowest free place: which one depends on the partition's records alone, also after a restart.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        """Entity to its row in the store."""
        self._names: list[str] = []
        self._row_at: list[int] = []
        self._free: list[int] = []
        self._left: set[int] = set()

    def __len__(self) -> int:
        return len(self.rows)

    def copy(self) -> "Roster":
        """Another one that says the same."""
        other = Roster()
        other.rows, other._left = self.rows.copy(), self._left.copy()
        other._names, other._row_at, other._free = self._names.copy(), self._row_at.copy(), self._free.copy()
        return other

    def admit(self, name: str, row: int) -> int:
        """A newcomer's place."""
        self.rows[name] = row
        if self._free:
            place = heappop(self._free)
            self._names[place], self._row_at[place] = name, row
            return place
        self._names.append(name)
        self._row_at.append(row)
        return len(self._names) - 1

    def forget(self, name: str, ledger: Ledger) -> int:
        """The row that is free now."""
        row = self.rows.pop(name)
        place = int(ledger.place[row])
        self._names[place], self._row_at[place] = "", _NOBODY
        self._left.add(place)
        heappush(self._free, place)
        return row

    def recall(self, names: Sequence[str], places: NDArray[np.int64], rows: NDArray[np.intp]) -> None:
        """Entities of a snapshot, at the places that they had, behind all that were recalled before.

        Raises ValueError for places or names that are taken.
        """
        for name, place, row in zip(names, places.tolist(), rows.tolist(), strict=True):
            gap = range(len(self._names), place)
            if place < len(self._names) or name in self.rows:
                raise ValueError(f"entity {name!r} or its place {place} is there twice")
            self._names += [""] * len(gap)
            self._row_at += [_NOBODY] * len(gap)
            self._free += gap  # ascending, therefore a heap
            self.rows[name] = row
            self._names.append(name)
            self._row_at.append(row)

    def in_place(self, first: int = 0, stop: int | None = None) -> tuple[list[str], NDArray[np.intp]]:
        """Entities and rows by place, of the places from `first` to before `stop`; free places are left out."""
        rows = np.array(self._row_at[first:stop], np.intp)
        taken = rows != _NOBODY
        names = self._names[first:stop]
        if not taken.all():
            names = [names[place] for place in np.flatnonzero(taken).tolist()]
        return names, rows[taken]

    def places(self) -> int:
        """How many places there are, up to the last that is taken; those after it are given up."""
        if self._row_at and self._row_at[-1] == _NOBODY:
            while self._row_at and self._row_at[-1] == _NOBODY:
                del self._row_at[-1], self._names[-1]
            self._free = [place for place in self._free if place < len(self._names)]
            heapify(self._free)
        return len(self._names)

    def take_left(self) -> set[int]:
        """Places whose entity was forgotten since this was asked last."""
        left, self._left = self._left, set()
        return left
