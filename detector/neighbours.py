"""Nearest normal records: a memory of rows in lists, searched where the query is.

Rows [M, P] are grouped around L centres (k-means). A query looks through the lists of its nearest centres only, so that
its cost grows with the square root of M; with as many probes as lists the search is exact. The answer for one query
does not depend on the others in its batch.

A row that stands in the memory itself must not vouch for itself: one exact copy of a query is passed over, so that a
training record scored later is judged as it was in calibration. A record that is common has further copies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.clustering import k_means
from latentwatch.detector.kernels import compiled
from latentwatch.detector.vectors import TILE, lane_of, put, smallest_of, squares
from latentwatch.domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]
LIST_LENGTH = 48
"""Rows per list aimed at."""
EXACT_BELOW = 256
"""Memories up to this many rows are one list: searching it whole is cheaper than choosing."""
_ROUNDS = 8
"""Of k-means: lists of about one length, which only how fast a search is depends on."""
FAR_AWAY = np.float32(1e15)
NEVER = np.float32(1e29)
"""A squared distance that no row has, though one filled up does."""


@dataclass(frozen=True, slots=True)
class Memory:
    """M rows to be found again, list by list."""

    centres: Floats
    """[L, P]"""
    starts: NDArray[np.int32]
    """[L + 1] where each list begins."""
    rows: Floats
    """[M, P] in the memory's own order, which is what indices refer to."""
    searched: "Searched" = field(init=False, repr=False, compare=False)
    """The same for the compiled search."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "searched", _lay_out(self.centres, self.starts, self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def nearest(
        self, queries: Floats, k: int, probes: int, leave_out: NDArray[np.int64] | None = None
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Distances [N, k], nearest first, and indices [N, k] of the k nearest rows of each query [N, P].

        `leave_out` [N] names one more row that each query must not find; -1 for none. Where fewer than k rows are there,
        the farthest is repeated.
        """
        found = self.find(queries, k, probes, leave_out)
        return found.distances, found.indices

    def find(self, queries: Floats, k: int, probes: int, leave_out: NDArray[np.int64] | None = None) -> "NearestFound":
        """`nearest`, and whether the memory holds each query itself."""
        queries = np.ascontiguousarray(queries, np.float32)
        found = NearestFound(
            np.empty((len(queries), k), np.float32),
            np.empty((len(queries), k), np.int64),
            np.empty(len(queries), np.bool_),
        )
        without = np.full(len(queries), -1, np.int64) if leave_out is None else leave_out
        search(queries, self.searched, probes, without, *found)
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"centres": self.centres, "starts": self.starts, "rows": self.rows}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`."""
        centres, starts, rows = arrays["centres"], arrays["starts"], arrays["rows"]
        fits = (
            [array.dtype.str for array in (centres, starts, rows)] == ["<f4", "<i4", "<f4"]
            and (centres.ndim, starts.ndim, rows.ndim) == (2, 1, 2)
            and centres.shape == (len(starts) - 1, rows.shape[1])
            and starts[0] == 0
            and starts[-1] == len(rows) > 0
            and bool((np.diff(starts) >= 0).all())
        )
        if not fits:
            raise BundleRefused("a memory's lists do not fit its rows; the bundle is damaged: train again")
        return cls(centres, starts, rows)


class NearestFound(NamedTuple):
    """What was found for N queries."""

    distances: Floats
    """[N, k] nearest first."""
    indices: NDArray[np.int64]
    """[N, k] places in the memory."""
    known: NDArray[np.bool_]
    """[N] whether an exact copy was passed over: the memory holds the query itself."""


class Searched(NamedTuple):
    """A memory laid out in tiles: `TILE` rows each, column by column, every list filled up to whole tiles.

    What fills is so far away that nothing finds it.
    """

    centres: Floats
    """[L * P] tile after tile, L filled up."""
    begins: NDArray[np.int64]
    """[lists] where each list begins in `rows`, in rows."""
    lengths: NDArray[np.int64]
    """[lists] how many rows it has, filled up."""
    first: NDArray[np.int64]
    """[lists] the memory's index of its first row."""
    sizes: NDArray[np.int64]
    """[lists] how many rows it has."""
    rows: Floats
    """Tile after tile, list after list."""
    width: int
    """P"""


def _lay_out(centres: Floats, starts: NDArray[np.int32], rows: Floats) -> Searched:
    lists = [_filled(rows[first:last]) for first, last in pairwise(starts.tolist())]
    lengths = np.array([len(rows) for rows in lists], np.int64)
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    sizes = np.diff(starts).astype(np.int64)
    return Searched(
        _tiles(_filled(centres)),
        begins,
        lengths,
        starts[:-1].astype(np.int64),
        sizes,
        _tiles(np.concatenate(lists)),
        int(rows.shape[1]),
    )


def _filled(rows: Floats) -> Floats:
    """Rows [M, P] filled up to whole tiles."""
    missing = -len(rows) % TILE
    return np.concatenate([rows, np.full((missing, rows.shape[1]), FAR_AWAY, np.float32)])


def _tiles(rows: Floats) -> Floats:
    """Rows [M, P], M in whole tiles, one tile after the other, each column by column [M * P]."""
    return np.ascontiguousarray(rows.reshape(-1, TILE, rows.shape[1]).transpose(0, 2, 1)).ravel()


def build_memory(rows: Floats, seed: int) -> tuple[Memory, NDArray[np.int64]]:
    """A memory of rows [M, P], M >= 1, and for each of its places the row that stands there [M]."""
    count = len(rows)
    lists = 1 if count <= EXACT_BELOW else max(2, round(count / LIST_LENGTH))
    centres, owner = k_means(rows, lists, seed, rounds=_ROUNDS if lists > 1 else 1, apart=False)
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(len(centres) + 1)).astype(np.int32)
    return Memory(centres, starts, np.ascontiguousarray(rows[order], np.float32)), order


class Scratch(NamedTuple):
    """Room for one query."""

    to_centre: Floats
    """Squared distances from the centres, filled up."""
    of_centres: Floats
    """The smallest of each tile of them, filled up with what is never the smallest."""
    distances: Floats
    """Squared distances from the rows of the lists searched, list after list."""
    smallest: Floats
    """The smallest of each tile of them, filled up likewise."""
    first: NDArray[np.int64]
    """The memory's index of each tile's first row."""


@compiled
def search(
    queries: Floats,
    memory: Searched,
    probes: int,
    leave_out: NDArray[np.int64],
    distances: Floats,
    indices: NDArray[np.int64],
    known: NDArray[np.bool_],
) -> None:
    """Fill distances and indices [N, k] of each query's nearest rows, and whether the memory holds it [N]; see `Memory.find`."""
    scratch = new_scratch(memory)
    for n in range(queries.shape[0]):
        known[n] = search_one(queries[n], memory, probes, leave_out[n], distances[n], indices[n], scratch)


@compiled
def new_scratch(memory: Searched) -> Scratch:
    """Room enough to search every list."""
    centres, rows = memory.centres.shape[0] // memory.width, memory.rows.shape[0] // memory.width
    return Scratch(
        np.empty(centres, np.float32),
        np.full(centres // TILE + TILE, NEVER, np.float32),
        np.empty(rows, np.float32),
        np.full(rows // TILE + TILE, NEVER, np.float32),
        np.empty(rows // TILE, np.int64),
    )


@compiled
def search_one(
    query: Floats,
    memory: Searched,
    probes: int,
    leave_out: int,
    best: Floats,
    index: NDArray[np.int64],
    scratch: Scratch,
) -> bool:
    """The nearest rows of one query into `best` and `index` [k]; goes on through further lists while there may be fewer.

    One exact copy of the query is passed over, see the module's docstring; returns whether there was one.
    """
    width, lists, k = memory.width, memory.begins.shape[0], best.shape[0]
    distances, smallest = scratch.distances, scratch.smallest
    groups = scratch.to_centre.shape[0] // TILE
    if lists > 1:
        for tile in range(groups):
            at = tile * TILE
            scratch.of_centres[tile] = squares(query, memory.centres, at * width, scratch.to_centre, at)
    tiles, rows = 0, 0
    for probe in range(lists):
        if probe >= probes and rows >= k + 2:  # the row left out and the copy passed over may be among them
            break
        chosen = 0
        if lists > 1:
            chosen = place_of_smallest(scratch.to_centre, scratch.of_centres, groups)
            drop(scratch.to_centre, scratch.of_centres, chosen)
        first, begin, start = memory.first[chosen], memory.begins[chosen], tiles
        for tile in range(memory.lengths[chosen] // TILE):
            at = (begin + tile * TILE) * width
            smallest[tiles] = squares(query, memory.rows, at, distances, tiles * TILE)
            scratch.first[tiles] = first + tile * TILE
            tiles += 1
        if first <= leave_out < first + memory.sizes[chosen]:
            drop(distances, smallest, start * TILE + leave_out - first)
        rows += memory.sizes[chosen]
    for tile in range(tiles, tiles + -tiles % TILE):
        smallest[tile] = NEVER
    found = 0
    copy_passed = False
    while found < k:
        place = place_of_smallest(distances, smallest, tiles) if tiles > 0 else 0
        if tiles == 0 or distances[place] >= NEVER:
            break
        distance = distances[place]
        drop(distances, smallest, place)
        if distance == 0.0 and not copy_passed:
            copy_passed = True
            continue
        best[found] = np.sqrt(distance)
        index[found] = scratch.first[place // TILE] + place % TILE
        found += 1
    for i in range(found, k):
        best[i] = best[found - 1] if found > 0 else np.float32(0.0)
        index[i] = index[found - 1] if found > 0 else max(leave_out, 0)
    return copy_passed


@compiled
def place_of_smallest(values: Floats, smallest: Floats, tiles: int) -> int:
    """Where the smallest of the values is, the first such one, given the smallest of each of their tiles."""
    value, group = smallest_of(smallest, 0), 0
    for other in range(TILE, tiles, TILE):
        candidate = smallest_of(smallest, other)
        if candidate < value:
            value, group = candidate, other
    begin = (group + lane_of(smallest, group, value)) * TILE
    place: int = begin + lane_of(values, begin, value)
    return place


@compiled
def drop(values: Floats, smallest: Floats, place: int) -> None:
    """Let a value be found no more."""
    tile, lane = divmod(place, TILE)
    group, member = divmod(tile, TILE)
    put(smallest, group * TILE, member, put(values, tile * TILE, lane, NEVER))
