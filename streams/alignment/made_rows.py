"""Rows that were made of values in long form, as columns: what a batch is made of, with no object for a row.

A word stands as a number, its place in a list of words, so that all of a row's values lie in one matrix.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch, Numbers, number_type, round_measurements
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.open_rows import AlignedRow
from latentwatch.streams.alignment.readings import Value, coded

Objects = NDArray[np.object_]


class MadeRows(NamedTuple):
    """R rows of F features."""

    schema: RecordSchema
    """The features, in the order of the columns."""
    entities: list[str]
    times: NDArray[np.int64]
    """[R] each tick's beginning, microseconds since 1970 UTC."""
    values: NDArray[np.float64]
    """[R, F] NaN where a value is missing; of a category or text its place in `words`."""
    words: Sequence[str]

    def __len__(self) -> int:
        return len(self.entities)

    def listed(self) -> list[AlignedRow]:
        """The same one by one."""
        found: list[AlignedRow] = []
        places, names = _number_places(self.schema), self.schema.names
        are_numbers = [name in places for name in names]
        for entity, time, row in zip(self.entities, self.times.tolist(), self.values.tolist(), strict=True):
            values: dict[str, Value] = {
                name: value if is_number else self.words[int(value)]
                for name, value, is_number in zip(names, row, are_numbers, strict=True)
                if value == value  # not missing
            }
            found.append(AlignedRow(entity, time, values))
        return found

    def numbers(self, schema: RecordSchema) -> Numbers:
        """[R, len(schema.numbers)] NaN where a row lacks one, or knows no number of the name."""
        places = _number_places(self.schema)
        with np.errstate(over="ignore"):
            if schema.numbers == tuple(places):
                found = self.values[:, list(places.values())].astype(number_type(schema))
            else:
                found = np.full((len(self), len(schema.numbers)), np.nan, number_type(schema))
                for column, name in enumerate(schema.numbers):
                    if name in places:
                        found[:, column] = self.values[:, places[name]]
        round_measurements(schema, found)
        return found

    def spelled(self, names: Sequence[str]) -> Objects:
        """[R, len(names)] words, None where a row lacks one, or knows no word of the name."""
        found = np.full((len(self), len(names)), None, object)
        numbers = _number_places(self.schema)
        for column, name in enumerate(names):
            if name in self.schema.names and name not in numbers:
                codes = self.values[:, self.schema.names.index(name)]
                given = ~np.isnan(codes)
                found[given, column] = [self.words[code] for code in codes[given].astype(np.intp).tolist()]
        return found


def _number_places(schema: RecordSchema) -> dict[str, int]:
    """The columns of those features that are numbers."""
    return {name: place for place, name in enumerate(schema.names) if schema.feature(name).is_number}


def made_of(schema: RecordSchema, rows: Iterable[AlignedRow]) -> MadeRows:
    """Rows that were made one by one."""
    listed = list(rows)
    places = {name: place for place, name in enumerate(schema.names)}
    values, words = np.full((len(listed), len(places)), np.nan), list[str]()
    for number, row in enumerate(listed):
        for name, value in row.values.items():
            values[number, places[name]] = coded(
                value, words
            )  # its feature's kind: others are forgotten with the model
    times = np.array([row.time for row in listed], np.int64)
    return MadeRows(schema, [row.entity for row in listed], times, values, words)


def as_batch(schema: RecordSchema, parts: Sequence[MadeRows], like: Batch, places: Sequence[int]) -> Batch:
    """Rows as a batch of a schema, each at the position of a row of `like`."""
    at = np.array(places, np.intp)
    entities = np.empty(len(at), object)
    entities[:] = [entity for part in parts for entity in part.entities]
    return Batch(
        schema=schema,
        numbers=np.concatenate(
            [np.empty((0, len(schema.numbers)), number_type(schema)), *(each.numbers(schema) for each in parts)]
        ),
        categories=_stacked(schema.categories, parts),
        texts=_stacked(schema.texts, parts),
        entities=entities,
        times=np.concatenate([np.empty(0, np.int64), *(each.times for each in parts)]),
        source=like.source,
        partitions=like.partitions[at],
        offsets=like.offsets[at],
    )


def _stacked(names: Sequence[str], parts: Sequence[MadeRows]) -> Objects:
    return np.concatenate([np.empty((0, len(names)), object), *(each.spelled(names) for each in parts)])
