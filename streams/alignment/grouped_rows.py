"""The rows of messages that are grouped by entity and tick: whole columns at a time, with no object for a value.

What comes out, and what is left in the making, is what `OpenRows.take` makes of the messages one by one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.made_rows import MadeRows
from latentwatch.streams.alignment.open_rows import NEVER, Entity, OpenRows
from latentwatch.streams.alignment.readings import ToldValues, coded

_NOWHERE = np.iinfo(np.int64).max
"""Behind every message."""
_BEFORE = -1
"""Before every message."""


class Grouped(NamedTuple):
    """N messages in G groups, one for each entity and tick, entity by entity. An entity's first group is the tick it is in."""

    names: list[str]
    """Of E entities."""
    states: list[Entity]
    codes: NDArray[np.intp]
    """[G] whose each group is, as a place in `names`."""
    ticks: NDArray[np.int64]
    """[G]"""
    first: NDArray[np.intp]
    """[G] the place of the message that begins it; -1 where there is none."""
    own: NDArray[np.intp]
    """[E] each entity's first group."""
    group: NDArray[np.intp]
    """[N] the group that the entity is in with each message."""
    live: NDArray[np.bool_]
    """[N] which messages are of that group's tick, and not of one that is over."""


class _Cells(NamedTuple):
    """What is known of each group and feature, [G, F]."""

    values: NDArray[np.float64]
    """The last value up to the one that makes a row whole; NaN where none is known."""
    times: NDArray[np.int64]
    """When that was, microseconds."""
    told: NDArray[np.int64]
    """The place of the first message of the group that tells one; `_BEFORE` where that was before, `_NOWHERE` where none did."""


def take_groups(
    rows: OpenRows, schema: RecordSchema, grouped: Grouped, times: NDArray[np.int64], told: ToldValues
) -> tuple[NDArray[np.intp], MadeRows] | None:
    """Rows and the places of the messages that release them, in their order; what stays open is taken down.

    None, and nothing changes, where a message would release two rows, so that one of them waits for the next.
    """
    words = list(told.words)
    cells, whole, shut = _filled(rows, grouped, schema, times, told, words)
    filled: NDArray[np.bool_] = np.any(cells.told < _NOWHERE, axis=1)
    if rows.age:
        _carry(cells, grouped)
    before = np.arange(len(filled)) - 1
    follows = np.ones(len(filled), bool)
    follows[grouped.own] = False
    begins, full = (
        np.array([state.begins for state in grouped.states], np.int64)[grouped.codes],
        _is_full(grouped, cells, whole, rows.age),
    )
    made = filled & (whole == _NOWHERE) & ~shut & (full | ((grouped.ticks + 1) * rows.every > begins))
    over = np.flatnonzero(follows & made[before])
    if (grouped.first[over] == whole[over]).any() or (whole == _BEFORE)[~shut].any():
        return None
    closed = np.flatnonzero((whole < _NOWHERE) & ~shut)
    places = np.concatenate([whole[closed], grouped.first[over]])
    groups = np.concatenate([closed, over - 1])
    order = np.argsort(places, kind="stable")
    places, groups = places[order], groups[order]
    values, starts = cells.values[groups], grouped.ticks[groups] * rows.every
    if rows.age:
        oldest = np.minimum(starts, starts + rows.every - rows.age)
        values[cells.times[groups] < oldest[:, None]] = np.nan
    entities = [grouped.names[code] for code in grouped.codes[groups].tolist()]
    _take_down(rows, schema, grouped, cells, filled, (whole < _NOWHERE) | shut, full, words)
    return places, MadeRows(schema, entities, starts, values, words)


def _filled(
    rows: OpenRows,
    grouped: Grouped,
    schema: RecordSchema,
    times: NDArray[np.int64],
    told: ToldValues,
    words: list[str],
) -> tuple[_Cells, NDArray[np.int64], NDArray[np.bool_]]:
    """The cells, [G] the place of the message that makes a group's row whole, and [G] whether it was out before."""
    count, width = len(grouped.ticks), rows.width
    values = np.full(count * width, np.nan)
    when = np.zeros(count * width, np.int64)
    first = np.full(count * width, _NOWHERE, np.int64)
    shut = np.zeros(count, bool)
    columns = {name: column for column, name in enumerate(schema.names)}
    for own, state in zip(grouped.own.tolist(), grouped.states, strict=True):
        shut[own] = state.closed
        start = state.tick * rows.every
        for name, (time, value) in state.latest.items():
            cell = own * width + columns[name]
            values[cell], when[cell] = coded(value, words), time
            if state.filled and (not rows.age or time >= start):
                first[cell] = _BEFORE
    counts = grouped.live[told.places] & ~shut[grouped.group[told.places]]
    places, found = (told.places, told.values) if counts.all() else (told.places[counts], told.values[counts])
    cell = grouped.group[places] * width + (told.columns if counts.all() else told.columns[counts])
    reverse = cell[::-1]
    early = first[cell] == _BEFORE
    first[reverse] = places[::-1]  # of several the last that is set, which is the first that came
    first[cell[early]] = _BEFORE
    whole = first.reshape(count, width).max(axis=1)
    after = places > whole[grouped.group[places]]
    if after.any():
        cell, places, found = cell[~after], places[~after], found[~after]
    values[cell] = found
    when[cell] = times[places]
    shape = count, width
    return _Cells(values.reshape(shape), when.reshape(shape), first.reshape(shape)), whole, shut


def _carry(cells: _Cells, grouped: Grouped) -> None:
    """Each group's cells without a value take over that of the entity's group before."""
    rows = np.arange(len(cells.values))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(cells.values), -1, rows), axis=0)
    last = np.where(last < grouped.own[grouped.codes][:, None], rows, last)
    cells.values[:] = np.take_along_axis(cells.values, last, axis=0)
    cells.times[:] = np.take_along_axis(cells.times, last, axis=0)


def _is_full(grouped: Grouped, cells: _Cells, whole: NDArray[np.int64], age: int) -> NDArray[np.bool_]:
    """[G] whether each feature had a value by the group's end."""
    full: NDArray[np.bool_]
    if age:
        full = np.logical_not(np.any(np.isnan(cells.values), axis=1))
    else:
        whole_ones = (whole < _NOWHERE).astype(np.int64)
        ended = np.cumsum(whole_ones)
        full = ended > (ended - whole_ones)[grouped.own[grouped.codes]]
    return full


def _take_down(
    rows: OpenRows,
    schema: RecordSchema,
    grouped: Grouped,
    cells: _Cells,
    filled: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    full: NDArray[np.bool_],
    words: list[str],
) -> None:
    """What is left in the making of each entity: its last group."""
    names, numbers = schema.names, [feature.is_number for feature in schema.features]
    last = np.append(grouped.own[1:], len(grouped.ticks)) - 1
    filling = (cells.told < _NOWHERE).sum(axis=1)
    for state, group in zip(grouped.states, last.tolist(), strict=True):
        if full[group]:
            state.begins = NEVER
        if state.closed and grouped.ticks[group] == state.tick:
            continue
        state.tick, state.closed = int(grouped.ticks[group]), bool(closed[group])
        state.filled = 0 if state.closed and not rows.age else int(filling[group])
        state.latest = {}
        if state.closed and not rows.age:
            continue
        given = np.flatnonzero(~np.isnan(cells.values[group])).tolist()
        row, when = cells.values[group].tolist(), cells.times[group].tolist()
        for column in given:
            value = row[column] if numbers[column] else words[int(row[column])]
            state.latest[names[column]] = when[column], value
