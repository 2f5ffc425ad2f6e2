"""Many messages at once into the rows that they come to one by one, where nothing happens that asks for a look at each.

A stretch is calm while its entities are known, none of them has been silent for so long that its row is over, and no clock jumps.
Then the messages of one entity and tick are taken together; anything else is left to `OpenRows.take`, whose results these are.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.grouped_rows import Grouped, take_groups
from latentwatch.streams.alignment.made_rows import MadeRows, made_of
from latentwatch.streams.alignment.open_rows import STEP_TICKS, AlignedRow, Entity, OpenRows
from latentwatch.streams.alignment.readings import ToldValues, Value

_SINGLY = 32
"""Messages taken one by one where a calm stretch has ended; twice as many each time, so that little is looked at twice."""
_WORTH = 8
"""Calm stretches that are shorter are taken one by one as well."""
_WIDEST = 2**62
"""Ticks times entities beyond which 64 bits do not tell them apart."""

_MOST_CELLS = 2**21
"""Rows times features that are made at once."""
Taken = tuple[NDArray[np.intp], MadeRows]
"""Rows, and the places of the messages that released them."""


class _Stretch(NamedTuple):
    """N messages that nothing unusual happens in."""

    names: list[str]
    """Its entities."""
    states: list[Entity]
    codes: NDArray[np.intp]
    """[N] whose message each is, as a place in `names`."""
    progress: NDArray[np.int64]
    """[N] how far the partition has come with each, microseconds."""


def take_all(
    rows: OpenRows, schema: RecordSchema, entities: Sequence[str], times: NDArray[np.int64], told: ToldValues
) -> Iterator[Taken]:
    """The rows that N messages of one partition release, part by part, in the order of their release.

    Each is of an entity and time [N]; `told` is what they say of the schema's features.
    """
    start, singly = 0, _SINGLY
    most = max(_MOST_CELLS // rows.width, _SINGLY)
    while start < len(entities):
        stretch = (
            None if rows.overdue else _calm_stretch(rows, entities[start : start + most], times[start : start + most])
        )
        if stretch is not None:
            end = start + len(stretch.codes)
            found = _take_calm(rows, schema, stretch, times[start:end], _part(told, start, end))
            if found is not None:
                yield found[0] + start, found[1]
                start = end
                if len(stretch.codes) == most:
                    continue
        end = min(len(entities), start + singly)
        places, made = _take_singly(rows, schema, entities[start:end], times[start:end], _part(told, start, end))
        if places:
            yield np.array(places, np.intp) + start, made_of(schema, made)
        start, singly = end, 2 * singly


def _part(told: ToldValues, start: int, end: int) -> ToldValues:
    """What some of the messages say."""
    first, last = np.searchsorted(told.places, [start, end]).tolist()
    return ToldValues(
        told.places[first:last] - start, told.columns[first:last], told.values[first:last], told.words, {}, []
    )


def _take_singly(
    rows: OpenRows, schema: RecordSchema, entities: Sequence[str], times: NDArray[np.int64], told: ToldValues
) -> tuple[list[int], list[AlignedRow]]:
    """Places and rows."""
    values: list[dict[str, Value]] = [{} for _ in entities]
    features = schema.features
    for place, column, value in zip(told.places.tolist(), told.columns.tolist(), told.values.tolist(), strict=True):
        feature = features[column]
        values[place][feature.name] = value if feature.is_number else told.words[int(value)]
    found = [
        (place, row)
        for place, (entity, time) in enumerate(zip(entities, times.tolist(), strict=True))
        if (row := rows.take(entity, time, values[place])) is not None
    ]
    return [place for place, _ in found], [row for _, row in found]


def _calm_stretch(rows: OpenRows, entities: Sequence[str], times: NDArray[np.int64]) -> _Stretch | None:
    """The calm stretch that messages begin with; None where there is none."""
    if rows.now is None:
        return None
    distinct = dict.fromkeys(entities)
    new = distinct.keys() - rows.entities.keys()
    if new:
        entities = entities[: next(place for place, entity in enumerate(entities) if entity in new)]
        distinct = dict.fromkeys(entities)
    codes_of = {name: code for code, name in enumerate(distinct)}
    codes = np.fromiter(map(codes_of.__getitem__, entities), np.intp, count=len(entities))
    states = [rows.entities[name] for name in distinct]
    adjusted = times[: len(codes)] + np.array([state.shift for state in states], np.int64)[codes]
    progress = np.maximum.accumulate(np.concatenate([[rows.now], adjusted]))
    jumps = adjusted - progress[:-1] > STEP_TICKS * rows.every
    count = int(np.argmax(jumps)) if jumps.any() else len(codes)
    if count < _WORTH:
        return None
    ticks = [times.min() // rows.every, times.max() // rows.every, *(state.tick for state in states)]
    if (int(max(ticks)) - int(min(ticks)) + 1) * len(states) >= _WIDEST:
        return None
    stretch = _Stretch(list(distinct), states, codes[:count], progress[1 : count + 1])
    if stretch.progress[-1] >= rows.look_at and _is_anyone_silent(rows, stretch):
        return None
    return stretch


def _is_anyone_silent(rows: OpenRows, stretch: _Stretch) -> bool:
    """Whether an entity's row may be over since others have gone on without it."""
    codes, progress, last = stretch.codes, stretch.progress, int(stretch.progress[-1])
    order = np.argsort(codes, kind="stable")
    heard, whose = progress[order], codes[order]
    first = np.diff(whose, prepend=-1) > 0
    before = np.where(first, np.array([state.heard for state in stretch.states], np.int64)[whose], np.roll(heard, 1))
    ends = np.diff(whose, append=len(stretch.states)) > 0
    if (heard - before > rows.patience).any() or (last - heard[ends] > rows.patience).any():
        return True
    speaking = set(np.unique(codes).tolist())
    speaking_names = {stretch.names[code] for code in speaking}
    return any(
        last - row.heard > rows.patience and rows.is_open(row)
        for name, row in rows.entities.items()
        if name not in speaking_names
    )


def _take_calm(
    rows: OpenRows, schema: RecordSchema, stretch: _Stretch, times: NDArray[np.int64], told: ToldValues
) -> Taken | None:
    """The rows of a calm stretch, in the order of their release; None where messages need a look at each, and nothing happened."""
    order = np.argsort(stretch.codes, kind="stable")
    grouped = _grouped(times[order] // rows.every, stretch.codes[order], order, stretch)
    taken = take_groups(rows, schema, grouped, times, told)
    if taken is None:
        return None
    whose = stretch.codes[order]
    ends = np.flatnonzero(np.diff(whose, append=len(stretch.states)))
    for code, heard in zip(whose[ends].tolist(), stretch.progress[order[ends]].tolist(), strict=True):
        stretch.states[code].heard = heard
    rows.go_on(stretch.progress)
    return taken


def _grouped(ticks: NDArray[np.int64], whose: NDArray[np.intp], order: NDArray[np.intp], stretch: _Stretch) -> Grouped:
    """The messages, entity by entity, in groups of one tick each, of which an entity's first is the one that it is in.

    A late message is of no tick any more, but tells that its entity is in a later one.
    """
    begun = np.array([state.tick for state in stretch.states], np.int64)
    least = min(int(ticks.min()), int(begun.min()))
    span = max(int(ticks.max()), int(begun.max())) - least + 1
    # A number for each entity and tick that only grows, so that one pass tells the latest of all entities.
    lifted = np.maximum.accumulate(np.maximum(ticks, begun[whose]) - least + whose * span)
    own = begun - least + np.arange(len(begun)) * span
    begins = np.flatnonzero(np.diff(lifted, prepend=-1))
    keys = np.union1d(own, lifted[begins])
    groups = np.searchsorted(keys, lifted[begins])
    first = np.full(len(keys), -1, np.intp)
    first[groups] = order[begins]
    group = np.empty(len(order), np.intp)
    group[order] = np.repeat(groups, np.diff(begins, append=len(order)))
    live = np.empty(len(order), bool)
    live[order] = ticks == lifted - whose * span + least
    codes, tick = np.divmod(keys, span)
    return Grouped(stretch.names, stretch.states, codes, tick + least, first, np.searchsorted(keys, own), group, live)
