"""Nearest normal records: a memory of rows in lists, searched where the query is.

Rows [M, P] are grouped around L centres (k-means). A query looks through the lists of its nearest centres only, so that
its cost grows with the square root of M; with as many probes as lists the search is exact. The answer for one query
does not depend on the others in its batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detector.kernels import compiled
from domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]
LIST_LENGTH = 48
"""Rows per list aimed at."""
EXACT_BELOW = 256
"""Memories up to this many rows are one list: searching it whole is cheaper than choosing."""


@dataclass(frozen=True, slots=True)
class Memory:
    """M rows to be found again, stored list by list."""

    centres: Floats
    """[P, L]"""
    starts: NDArray[np.int32]
    """[L + 1] where each list begins in `columns`."""
    columns: Floats
    """[P, M] rows as columns, so that one loop runs over many rows."""

    @property
    def rows(self) -> Floats:
        """[M, P] in the memory's own order, which is what indices refer to."""
        return np.ascontiguousarray(self.columns.T)

    def __len__(self) -> int:
        return self.columns.shape[1]

    def nearest(
        self, queries: Floats, k: int, probes: int, leave_out: NDArray[np.int64] | None = None
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Distances [N, k], nearest first, and indices [N, k] of the k nearest rows of each query [N, P].

        `leave_out` [N] names one row each query must not find, such as itself; -1 for none. Where fewer than k rows are
        there, the farthest is repeated.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        distances = np.empty((len(queries), k), np.float32)
        indices = np.empty((len(queries), k), np.int64)
        without = np.full(len(queries), -1, np.int64) if leave_out is None else leave_out
        search(queries, self.centres, self.starts, self.columns, probes, without, distances, indices)
        return distances, indices

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"centres": self.centres, "starts": self.starts, "columns": self.columns}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`."""
        centres, starts, columns = arrays["centres"], arrays["starts"], arrays["columns"]
        fits = (
            (centres.dtype, starts.dtype, columns.dtype) == (np.float32, np.int32, np.float32)
            and (centres.ndim, starts.ndim, columns.ndim) == (2, 1, 2)
            and centres.shape == (columns.shape[0], len(starts) - 1)
            and starts[0] == 0
            and starts[-1] == columns.shape[1]
            and (np.diff(starts) >= 0).all()
        )
        if not fits:
            raise BundleRefused("a memory's lists do not fit its rows; the bundle is damaged: train again")
        return cls(centres, starts, columns)


def build_memory(rows: Floats, seed: int) -> tuple[Memory, NDArray[np.int64]]:
    """A memory of rows [M, P], M >= 1, and for each of its places the row that stands there [M]."""
    count = len(rows)
    lists = 1 if count <= EXACT_BELOW else max(2, round(count / LIST_LENGTH))
    centres, owner = cluster(rows, lists, seed)
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(lists + 1)).astype(np.int32)
    columns = np.ascontiguousarray(rows[order].T.astype(np.float32))
    return Memory(np.ascontiguousarray(centres.T), starts, columns), order


def cluster(rows: Floats, count: int, seed: int, rounds: int = 8) -> tuple[Floats, NDArray[np.intp]]:
    """k-means by Lloyd's rounds from random rows: centres [count, P] and each row's centre [M]."""
    random = np.random.default_rng(seed)
    centres = rows[random.choice(len(rows), min(count, len(rows)), replace=False)].astype(np.float32)
    owner = _closest(rows, centres)
    for _ in range(rounds if count > 1 else 1):
        sizes = np.bincount(owner, minlength=len(centres))
        sums = np.zeros_like(centres, np.float64)
        np.add.at(sums, owner, rows)
        kept = sizes > 0
        centres[kept] = sums[kept] / sizes[kept, None]
        owner = _closest(rows, centres)
    return centres, owner


def _closest(rows: Floats, centres: Floats) -> NDArray[np.intp]:
    half = 0.5 * (centres.astype(np.float32) ** 2).sum(axis=1)
    blocks = [(half - rows[start : start + 4096] @ centres.T).argmin(axis=1) for start in range(0, len(rows), 4096)]
    return np.concatenate(blocks)


@compiled
def search(
    queries: Floats,
    centres: Floats,
    starts: NDArray[np.int32],
    columns: Floats,
    probes: int,
    leave_out: NDArray[np.int64],
    distances: Floats,
    indices: NDArray[np.int64],
) -> None:
    """Fill distances and indices [N, k] of each query's nearest rows; see `Memory.nearest`."""
    lists = centres.shape[1]
    longest = 0
    for a in range(lists):
        longest = max(longest, starts[a + 1] - starts[a])
    scratch = np.empty(longest, np.float32)
    to_centre = np.empty(lists, np.float32)
    for n in range(queries.shape[0]):
        search_one(
            queries[n],
            centres,
            starts,
            columns,
            probes,
            leave_out[n],
            distances[n],
            indices[n],
            scratch,
            to_centre,
        )


@compiled
def search_one(
    query: Floats,
    centres: Floats,
    starts: NDArray[np.int32],
    columns: Floats,
    probes: int,
    leave_out: int,
    best: Floats,
    index: NDArray[np.int64],
    scratch: Floats,
    to_centre: Floats,
) -> None:
    """The nearest rows of one query into `best` and `index` [k]; goes on through further lists until it has k rows."""
    width, lists = centres.shape
    k = best.shape[0]
    found = 0
    if lists > 1:
        to_centre[:] = 0.0
        for j in range(width):
            value = query[j]
            for a in range(lists):
                to_centre[a] += (value - centres[j, a]) ** 2
    else:
        to_centre[0] = 0.0
    for probe in range(lists):
        if probe >= probes and found >= k:
            break
        chosen = 0
        for a in range(1, lists):
            if to_centre[a] < to_centre[chosen]:
                chosen = a
        to_centre[chosen] = np.float32(3.4e38)
        first, last = starts[chosen], starts[chosen + 1]
        length = last - first
        for i in range(length):
            scratch[i] = 0.0
        for j in range(width):
            value = query[j]
            line = columns[j, first:last]
            for i in range(length):
                scratch[i] += (value - line[i]) ** 2
        for i in range(length):
            distance = scratch[i]
            if found == k and distance >= best[k - 1]:
                continue
            if first + i == leave_out:
                continue
            place = found if found < k else k - 1
            while place > 0 and best[place - 1] > distance:
                best[place] = best[place - 1]
                index[place] = index[place - 1]
                place -= 1
            best[place] = distance
            index[place] = first + i
            if found < k:
                found += 1
    for i in range(k):
        if i < found:
            best[i] = np.sqrt(best[i])
        elif found > 0:
            best[i] = best[found - 1]
            index[i] = index[found - 1]
        else:
            best[i] = 0.0
            index[i] = max(leave_out, 0)
