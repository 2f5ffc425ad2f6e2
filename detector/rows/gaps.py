"""Fills what a row lacks from the rows that are nearest in what it has.

The search adds column after column, not in a BLAS's order, which depends on how many rows are asked: a row is filled
alone as it is in a batch, bit for bit.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly

Floats: TypeAlias = NDArray[np.float32]
NEIGHBOURS = 5


def fill_gaps(values: Floats, present: Floats, rows: Floats, neighbours: int = NEIGHBOURS) -> Floats:
    """Values [N, P] with what is not present replaced by the mean of the rows [M, P], M >= 1, nearest in what is present,
    5 of them or as many as are asked for.

    Rows that lie column by column in memory are searched where they are, others are copied.
    """
    given, mask, columns = (np.ascontiguousarray(each, np.float32) for each in (values, present, rows.T))
    out = np.empty_like(given)
    _fill(given, mask, columns, np.empty(min(neighbours, len(rows)), np.int64), out)
    return out


@compiled_exactly
def _fill(values: Floats, present: Floats, columns: Floats, nearest: NDArray[np.int64], out: Floats) -> None:
    """Fill `out` [N, P] from rows given as `columns` [P, M]; `nearest` [k] is room for the places of one row's nearest."""
    count = nearest.shape[0]
    distances = np.empty(count, np.float32)
    squared = np.empty(columns.shape[1], np.float32)
    for n in range(values.shape[0]):
        out[n] = values[n]
        if present[n].min() > 0.0:
            continue
        squared[:] = np.float32(0.0)
        for j in range(columns.shape[0]):
            if present[n, j] > 0.0:
                value = values[n, j]
                for m in range(columns.shape[1]):
                    apart = value - columns[j, m]
                    squared[m] += apart * apart
        distances[:] = np.float32(np.inf)
        nearest[:] = 0
        for m in range(columns.shape[1]):
            if squared[m] < distances[count - 1]:
                at = count - 1
                while at > 0 and squared[m] < distances[at - 1]:
                    distances[at], nearest[at] = distances[at - 1], nearest[at - 1]
                    at -= 1
                distances[at], nearest[at] = squared[m], m
        for j in range(columns.shape[0]):
            if present[n, j] <= 0.0:
                total = np.float32(0.0)
                for a in range(count):
                    total += columns[j, nearest[a]]
                out[n, j] = total / np.float32(count)
