"""The rows of each entity, found in one sort: a mask for each would cost the square of a fleet."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch


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


def entity_numbers(records: Batch) -> NDArray[np.intp]:
    """[N] a number for each record's entity."""
    return np.unique(records.entities.astype(str), return_inverse=True)[1].astype(np.intp)
