"""The rows of each entity, found in one sort: a mask for each would cost the square of a fleet."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows_by_entity(entities: NDArray[Any]) -> list[NDArray[np.intp]]:
    """The rows [n] of each entity of [N] names or numbers, in the order of both.

    >>> [rows.tolist() for rows in rows_by_entity(np.array(["b", "a", "b"], object))]
    [[1], [0, 2]]
    """
    if not len(entities):
        return []
    names = entities.astype(str) if entities.dtype == object else entities
    order = np.argsort(names, kind="stable")
    return np.split(order, np.flatnonzero(names[order][1:] != names[order][:-1]) + 1)


def count_runs(flagged: NDArray[np.bool_], rows_of_each: Sequence[NDArray[np.intp]]) -> int:
    """Runs of flagged rows [N] within an entity: episodes.

    >>> count_runs(np.array([True, True, False, True]), [np.array([0, 2, 3]), np.array([1])])
    3
    """
    return sum(int(np.sum(np.diff(flagged[rows].astype(np.int8), prepend=0) == 1)) for rows in rows_of_each)
