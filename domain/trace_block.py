"""Points of one entity's trace as columns, so that a whole stretch of them is thinned, merged and stored at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.outcome import Stretch, TracePoint
from latentwatch.domain.record import Value
from latentwatch.domain.schema import FeatureType

_VERY_LARGE = 1e300
"""What stands for a score that no number can hold."""


@dataclass(frozen=True, slots=True)
class TraceBlock:
    """N points in time order, of F numeric features and of others. Never changed after it is made."""

    names: tuple[str, ...]
    """All features, in the order in which people see them."""
    numeric: tuple[str, ...]
    """Those whose values are in `numbers`."""
    times: NDArray[np.int64]
    """[N] microseconds since 1970 UTC."""
    scores: NDArray[np.float64]
    """[N, 3] surprise, reconstruction and density."""
    flagged: NDArray[np.bool_]
    """[N]"""
    records: NDArray[np.int64]
    """[N] how many records each stands for: it is the strangest of them."""
    numbers: NDArray[np.floating]
    """[N, F] NaN where the value is missing."""
    low: NDArray[np.floating]
    """[N, F] the least among the records that a point stands for."""
    high: NDArray[np.floating]
    """[N, F] the greatest of them."""
    words: Mapping[str, Sequence[Value]]
    """The values of every other feature, N each; None where missing."""

    def __len__(self) -> int:
        return len(self.times)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "TraceBlock":
        """The chosen points, in the order given."""
        chosen = np.arange(len(self))[rows].tolist()
        return replace(
            self,
            times=self.times[rows],
            scores=self.scores[rows],
            flagged=self.flagged[rows],
            records=self.records[rows],
            numbers=self.numbers[rows],
            low=self.low[rows],
            high=self.high[rows],
            words={name: [column[row] for row in chosen] for name, column in self.words.items()},
        )

    def thinned(self, starts: NDArray[np.intp]) -> "TraceBlock":
        """One point for the points from each of the starts, [M] and the first 0, to before the next: the strangest, of equals the
        first, with the least and the greatest of each number."""
        if not len(self) or len(starts) == len(self):
            return self
        surprise = np.nan_to_num(self.scores[:, 0])
        lengths = np.diff(np.append(starts, len(self)))
        strange = np.flatnonzero(surprise >= np.repeat(np.maximum.reduceat(surprise, starts), lengths))
        _, first = np.unique(np.repeat(np.arange(len(starts)), lengths)[strange], return_index=True)
        return replace(
            self.take(strange[first]),
            flagged=np.logical_or.reduceat(self.flagged, starts),
            records=np.add.reduceat(self.records, starts),
            low=np.fmin.reduceat(self.low, starts, axis=0),
            high=np.fmax.reduceat(self.high, starts, axis=0),
        )

    def points(self, entity: str) -> list[TracePoint]:
        """Them one by one; they have no position any more."""
        columns: dict[str, Sequence[Value]] = dict(self.words)
        columns.update((name, _known(column)) for name, column in zip(self.numeric, self.numbers.T, strict=True))
        several, names = self.records > 1, self.names
        rows = zip(*(columns[name] for name in names), strict=True) if names else ((),) * len(self)
        moments, scores = self.times.tolist(), self.scores.tolist()
        flagged, records = self.flagged.tolist(), self.records.tolist()
        return [
            TracePoint(
                entity=entity,
                time=from_microseconds(moments[place]),
                offset=-1,
                partition=-1,
                surprise=scores[place][0],
                reconstruction=scores[place][1],
                density=scores[place][2],
                flagged=flagged[place],
                values=dict(zip(names, row, strict=True)),
                records=records[place],
                low=_named(self.numeric, self.low[place]) if several[place] else {},
                high=_named(self.numeric, self.high[place]) if several[place] else {},
            )
            for place, row in enumerate(rows)
        ]

    def with_scores_of(
        self, time: datetime, former: float, scores: tuple[float, float, float], flagged: bool, within: float
    ) -> "TraceBlock":
        """With what is said now of the points of a moment of which `former` was said, give or take `within`."""
        there = (self.times == to_microseconds(time)) & (np.abs(self.scores[:, 0] - former) <= within)
        if not there.any():
            return self
        return replace(
            self,
            scores=np.where(there[:, None], np.array(scores), self.scores),
            flagged=np.where(there, flagged, self.flagged),
        )


NO_POINTS = TraceBlock(
    names=(),
    numeric=(),
    times=np.zeros(0, np.int64),
    scores=np.zeros((0, 3)),
    flagged=np.zeros(0, bool),
    records=np.zeros(0, np.int64),
    numbers=np.zeros((0, 0)),
    low=np.zeros((0, 0)),
    high=np.zeros((0, 0)),
    words={},
)


def block_of_stretch(stretch: Stretch, after: datetime | None = None) -> TraceBlock:
    """Every record of a stretch, or every one after a moment, as a point of its own, in time order."""
    batch, schema, scores = stretch.batch, stretch.batch.schema, stretch.scores
    rows = _in_order(batch.times, None if after is None else to_microseconds(after))
    truths = [name for name in schema.numbers if schema.feature(name).type is FeatureType.BOOLEAN]
    numeric = tuple(name for name in schema.numbers if name not in truths)
    places = {name: place for place, name in enumerate(schema.numbers)}
    numbers = all_numbers = batch.numbers[rows]
    words: dict[str, Sequence[Value]] = {}
    if truths:
        numbers = all_numbers[:, [places[name] for name in numeric]]
    for name in truths:
        column = all_numbers[:, places[name]].tolist()
        words[name] = [None if value != value else value >= 0.5 for value in column]
    words.update(zip(schema.categories, batch.categories[rows].T.tolist(), strict=True))
    words.update(zip(schema.texts, batch.texts[rows].T.tolist(), strict=True))
    said = [np.asarray(each, np.float64)[rows] for each in (scores.surprise, scores.reconstruction, scores.density)]
    return TraceBlock(
        names=schema.names,
        numeric=numeric,
        times=batch.times[rows],
        scores=np.nan_to_num(np.column_stack(said), posinf=_VERY_LARGE, neginf=-_VERY_LARGE),
        flagged=stretch.flagged[rows],
        records=np.ones(len(numbers), np.int64),
        numbers=numbers,
        low=numbers,
        high=numbers,
        words=words,
    )


def _in_order(times: NDArray[np.int64], after: int | None) -> NDArray[np.intp] | slice:
    """The rows of later times in time order; where they are in order, as they nearly always are, nothing is copied."""
    if (times[1:] >= times[:-1]).all():
        return slice(0 if after is None else int(np.searchsorted(times, after, "right")), None)
    order = np.argsort(times, kind="stable")
    return order if after is None else order[times[order] > after]


def block_of_points(points: Sequence[TracePoint]) -> TraceBlock:
    """Points as a block, in time order."""
    if not points:
        return NO_POINTS
    points = sorted(points, key=lambda point: point.time)
    names = tuple(dict.fromkeys(name for point in points for name in point.values))
    held = {name: [point.values.get(name) for point in points] for name in names}
    numeric = tuple(name for name in names if _is_numeric(held[name]))
    return TraceBlock(
        names=names,
        numeric=numeric,
        times=np.array([to_microseconds(point.time) for point in points], np.int64),
        scores=np.array(
            [(point.surprise, point.reconstruction, point.density) for point in points], np.float64
        ).reshape(-1, 3),
        flagged=np.array([point.flagged for point in points], bool),
        records=np.array([point.records for point in points], np.int64),
        numbers=_matrix([[point.values.get(name) for name in numeric] for point in points], len(numeric)),
        low=_matrix([[point.low.get(n, point.values.get(n)) for n in numeric] for point in points], len(numeric)),
        high=_matrix([[point.high.get(n, point.values.get(n)) for n in numeric] for point in points], len(numeric)),
        words={name: held[name] for name in names if name not in numeric},
    )


def blocks_together(blocks: Sequence[TraceBlock]) -> TraceBlock:
    """All points of some blocks in time order; those of one moment in the order of the blocks."""
    blocks = [block for block in blocks if len(block)]
    if len(blocks) <= 1:
        return blocks[0] if blocks else NO_POINTS
    names, numeric = blocks[0].names, blocks[0].numeric
    if any((block.names, block.numeric) != (names, numeric) for block in blocks):
        names = tuple(dict.fromkeys(name for block in blocks for name in block.names))
        other = {name for block in blocks for name in block.words}  # a number that became a word is a word
        numeric = tuple(name for name in names if name not in other)
        blocks = [_widened(block, names, numeric) for block in blocks]
    times = np.concatenate([block.times for block in blocks])
    whole = TraceBlock(
        names=names,
        numeric=numeric,
        times=times,
        scores=np.concatenate([block.scores for block in blocks]),
        flagged=np.concatenate([block.flagged for block in blocks]),
        records=np.concatenate([block.records for block in blocks]),
        numbers=np.concatenate([block.numbers for block in blocks]),
        low=np.concatenate([block.low for block in blocks]),
        high=np.concatenate([block.high for block in blocks]),
        words={
            name: [value for block in blocks for value in block.words[name]] for name in names if name not in numeric
        },
    )
    return whole if (times[1:] >= times[:-1]).all() else whole.take(np.argsort(times, kind="stable"))


def _widened(block: TraceBlock, names: tuple[str, ...], numeric: tuple[str, ...]) -> TraceBlock:
    """The same points with the features of others beside them, missing."""
    places = {name: place for place, name in enumerate(block.numeric)}

    def numbers(of: NDArray[np.floating]) -> NDArray[np.floating]:
        found = np.full((len(block), len(numeric)), np.nan)
        for place, name in enumerate(numeric):
            if name in places:
                found[:, place] = of[:, places[name]]
        return found

    words = {
        name: block.words.get(name)
        or (_known(block.numbers[:, places[name]]) if name in places else [None] * len(block))
        for name in names
        if name not in numeric
    }
    return replace(
        block, names=names, numeric=numeric, numbers=numbers(block.numbers), low=numbers(block.low),
        high=numbers(block.high), words=words,
    )  # fmt: skip


def _known(column: NDArray[np.floating]) -> list[float | None]:
    values: list[float | None] = column.tolist()
    known = np.isfinite(column)
    return values if known.all() else [value if here else None for value, here in zip(values, known, strict=True)]


def _named(names: Sequence[str], values: NDArray[np.floating]) -> dict[str, float]:
    return {name: value for name, value in zip(names, values.tolist(), strict=True) if math.isfinite(value)}


def _is_numeric(values: Sequence[Value]) -> bool:
    """Whether these are numbers, or nothing at all."""
    return all(value is None or (isinstance(value, float | int) and not isinstance(value, bool)) for value in values)


def _matrix(rows: Sequence[Sequence[Value]], columns: int) -> NDArray[np.float64]:
    flat = [np.nan if value is None else value for row in rows for value in row]
    return np.array(flat, np.float64).reshape(len(rows), columns)
