"""Many messages at once into the rows that they come to one by one, where nothing happens that asks for a look at each.

A stretch is calm while its entities are known, none of them has been silent for so long that its row is over, and no clock jumps.
Then the messages of one entity and tick are taken together; anything else is left to `OpenRows.take`, whose results these are.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.streams.alignment.open_rows import STEP_TICKS, AlignedRow, Entity, OpenRows
from latentwatch.streams.alignment.readings import are_given

_SINGLY = 32
"""Messages taken one by one where a calm stretch has ended; twice as many each time, so that little is looked at twice."""
_WORTH = 8
"""Calm stretches that are shorter are taken one by one as well."""
_WIDEST = 2**62
"""Ticks times entities beyond which 64 bits do not tell them apart."""

Objects = NDArray[np.object_]
Taken = list[tuple[int, AlignedRow]]
"""Rows, each with the place of the message that released it."""


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
    rows: OpenRows, entities: Sequence[str], times: NDArray[np.int64], names: Objects, values: Objects
) -> Taken:
    """The rows that N messages of one partition release.

    Each is of an entity and time [N], and holds the value of one feature; where it holds none, its name is None.
    """
    taken: Taken = []
    start, singly = 0, _SINGLY
    while start < len(entities):
        stretch = None if rows.overdue else _calm_stretch(rows, entities[start:], times[start:])
        if stretch is not None:
            end = start + len(stretch.codes)
            found = _take_calm(rows, stretch, times[start:end], names[start:end], values[start:end])
            taken += [(start + place, row) for place, row in found]
            start = end
        end = min(len(entities), start + singly)
        taken += _take_singly(rows, range(start, end), entities, times, names, values)
        start, singly = end, 2 * singly
    return taken


def _take_singly(
    rows: OpenRows, places: range, entities: Sequence[str], times: NDArray[np.int64], names: Objects, values: Objects
) -> Taken:
    taken: Taken = []
    for place in places:
        name = names[place]
        row = rows.take(entities[place], int(times[place]), {} if name is None else {name: values[place]})
        if row is not None:
            taken.append((place, row))
    return taken


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


def _take_calm(rows: OpenRows, stretch: _Stretch, times: NDArray[np.int64], names: Objects, values: Objects) -> Taken:
    """The rows of a calm stretch, in the order of their release."""
    order = np.argsort(stretch.codes, kind="stable")
    whose, ticks = stretch.codes[order], times[order] // rows.every
    current, starts = _ticks_of(ticks, whose, stretch.states)
    counts = (ticks == current) & are_given(names[order])
    places = order[counts]
    bounds = np.concatenate([[0], np.cumsum(counts)])[np.append(starts, len(order))].tolist()
    at, found = places.tolist(), list(zip(times[places].tolist(), values[places].tolist(), strict=True))
    of = names[places].tolist()
    taken: Taken = []
    groups = zip(
        order[starts].tolist(), whose[starts].tolist(), current[starts].tolist(), bounds, bounds[1:], strict=False
    )
    for first, code, tick, begin, end in groups:
        entity, row = stretch.names[code], stretch.states[code]
        released = rows.begin_tick(entity, row, tick) if tick > row.tick else None
        if released is not None:
            taken.append((first, released))
        if begin == end or row.closed:
            continue
        once = not row.filled and end - begin <= rows.width  # then no value before the last makes the row whole
        steps = [(begin, end)] if once else [(place, place + 1) for place in range(begin, end)]
        for step, after in steps:
            rows.fill(row, dict(zip(of[step:after], found[step:after], strict=True)))
            # A message releases one row at most: the tick's first may have released the one before.
            if row.filled >= rows.width and (released is None or at[after - 1] != first):
                row.closed = True
                taken.append((at[after - 1], rows.row_of(entity, row)))
                break
    ends = np.flatnonzero(np.diff(whose, append=len(stretch.states)))
    for code, heard in zip(whose[ends].tolist(), stretch.progress[order[ends]].tolist(), strict=True):
        stretch.states[code].heard = heard
    rows.go_on(stretch.progress)
    return sorted(taken, key=itemgetter(0))


def _ticks_of(
    ticks: NDArray[np.int64], whose: NDArray[np.intp], states: Sequence[Entity]
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """[N] the tick that an entity is in with each of its messages, and where a tick of one begins, entities one by one.

    A late message is of no tick any more, but tells that its entity is in a later one.
    """
    begun = np.array([state.tick for state in states], np.int64)
    least = min(int(ticks.min()), int(begun.min()))
    span = max(int(ticks.max()), int(begun.max())) - least + 1
    # A number for each entity and tick that only grows, so that one pass tells the latest of all entities.
    lifted = np.maximum.accumulate(np.maximum(ticks, begun[whose]) - least + whose * span)
    return lifted - whose * span + least, np.flatnonzero(np.diff(lifted, prepend=-1))
