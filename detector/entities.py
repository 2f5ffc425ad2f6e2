"""The rows of each entity, found in one sort: a mask for each would cost the square of a fleet."""

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch


class EntityRows:
    """The rows of each of N named entities, in their order.

    >>> rows = EntityRows(np.array(["b", "a", "b"], object))
    >>> list(rows.names), rows.of("b").tolist(), rows.of("c").tolist()
    (['b', 'a'], [0, 2], [])
    """

    def __init__(self, entities: NDArray[np.object_]) -> None:
        """`entities` [N] are the names."""
        listed = entities.tolist()
        self._places = {name: place for place, name in enumerate(dict.fromkeys(listed))}
        places = np.fromiter(map(self._places.__getitem__, listed), np.intp, len(listed))
        self._order = np.argsort(places, kind="stable")
        self._bounds = np.searchsorted(places[self._order], np.arange(len(self._places) + 1))

    @property
    def names(self) -> Iterable[str]:
        """Every entity once, in the order of their first rows."""
        return self._places

    def of(self, name: str) -> NDArray[np.intp]:
        """[n] the rows of one; none of an entity that is not there."""
        place = self._places.get(name)
        return self._order[:0] if place is None else self._order[self._bounds[place] : self._bounds[place + 1]]


def places_of(entities: NDArray[np.object_], places: Mapping[str, int], unknown: int) -> NDArray[np.intp]:
    """[N] the place of each of [N] names, `unknown` for one that has none."""
    return np.fromiter(map(places.get, entities.tolist(), repeat(unknown)), np.intp, len(entities))


def rows_by_entity(entities: NDArray[Any]) -> list[NDArray[np.intp]]:
    """The rows [n] of each entity of [N] names or numbers, in the order of both.

    >>> [rows.tolist() for rows in rows_by_entity(np.array(["b", "a", "b"], object))]
    [[1], [0, 2]]
    """
    if not len(entities):
        return []
    if entities.dtype == object:
        entities = _numbered(entities)
    order = np.argsort(entities, kind="stable")
    return np.split(order, np.flatnonzero(entities[order][1:] != entities[order][:-1]) + 1)


def entity_numbers(records: Batch) -> NDArray[np.intp]:
    """[N] a number for each record's entity, in the order of their names."""
    return _numbered(records.entities)


def _numbered(names: NDArray[np.object_]) -> NDArray[np.intp]:
    return places_of(names, {name: place for place, name in enumerate(sorted(set(names.tolist())))}, -1)
