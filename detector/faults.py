"""Faults planted on purpose, so that a detector can be measured where nobody has labelled anything.

Normal records in → the same records with known faults, and the list of what was planted where. Sizes are multiples of
a feature's own spread within its entity, so that one recipe fits any data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.ridge import regress
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import FeatureType


class FaultKind(StrEnum):
    """What goes wrong. The first four are a pump's own, the others happen to any sensor."""

    VALVE_CLOSING = "valve closing"
    CAVITATION = "cavitation"
    BEARING_WEAR = "bearing wear"
    LEAK = "leak"
    SPIKE = "spike"
    STUCK = "stuck"
    DRIFT = "drift"
    SHIFT = "shift"
    NOISE = "noise"
    CORRELATION_BREAK = "correlation break"
    """A sensor shows values from another time: each in its normal range, but not together with the others."""
    LAG = "lag"
    """A sensor shows what it should have shown a while ago."""
    CONSTANT_MOVES = "constant moves"
    """A feature that never moved in normal records moves."""
    FAR = "far value"
    """A number lies beyond all of the normal records by as much as they span."""
    UNKNOWN_WORD = "unknown word"
    """A category has a word that no normal record has."""
    ODD_TEXT = "odd text"
    """A text is of words that no normal record has."""


SENSOR_FAULTS = (
    FaultKind.SPIKE,
    FaultKind.STUCK,
    FaultKind.DRIFT,
    FaultKind.SHIFT,
    FaultKind.NOISE,
    FaultKind.CORRELATION_BREAK,
    FaultKind.LAG,
    FaultKind.CONSTANT_MOVES,
)
"""Kinds that can be planted into consecutive records of any entity."""

ROW_FAULTS = (
    FaultKind.SPIKE,
    FaultKind.SHIFT,
    FaultKind.CORRELATION_BREAK,
    FaultKind.CONSTANT_MOVES,
    FaultKind.FAR,
    FaultKind.UNKNOWN_WORD,
    FaultKind.ODD_TEXT,
)
"""Kinds that make sense for a record on its own."""

SIZED_FAULTS = (FaultKind.SPIKE, FaultKind.SHIFT, FaultKind.DRIFT, FaultKind.NOISE)
"""Kinds of a size, in spreads of the sensor; the others are as large as they are."""

_BOUND = 0.5
"""Share of its variance that the others predict from which a sensor is bound to them."""
_SPIKE_RECORDS = 3
_FEW = 5
"""Records of an entity below which their spread is not its own."""
_UNSEEN, _ODD = "\u2060never seen", "zyxwv qqqq jkjkj vwxyz kkqz"
"""A word that nobody's data have, and words."""


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """One fault whose time, place and guilty features are known."""

    kind: FaultKind
    entity: str
    start: datetime
    """Event time of its first record."""
    end: datetime
    """Event time of its last record."""
    guilty: tuple[str, ...]
    """Features that a good explanation names."""
    rows: NDArray[np.intp] = field(repr=False, compare=False)
    """Its rows in the batch it was planted into."""


def plant_faults(
    batch: Batch,
    seed: int,
    kinds: Sequence[FaultKind] | None = None,
    per_kind: int = 4,
    length: int = 60,
    *,
    in_time: bool = True,
    sizes: Sequence[float] = (1.0,),
) -> tuple[Batch, list[PlantedFault]]:
    """Plant up to `per_kind` faults of each kind, at places that do not overlap, into normal records.

    Of `SIZED_FAULTS` as many of each of the `sizes`, in times their usual one. `in_time`: whether an entity's rows are
    consecutive readings. Then a fault spans `length` consecutive records of one entity (a spike three), and as many records
    between two faults stay normal; otherwise each fault is one row.
    Kinds without a suitable feature are left out, and fewer faults are planted where the batch is short.
    Raises InvalidHistory when there is no suitable feature or no room for a single fault.
    """
    chosen = tuple(kinds) if kinds is not None else (SENSOR_FAULTS if in_time else ROW_FAULTS)
    rng = np.random.default_rng(seed)
    spread, constant = _spreads(batch)
    varying = np.flatnonzero(~constant)
    bound = _predicted_share(batch, spread) >= _BOUND
    wanted = [
        (kind, size)
        for kind in chosen
        if _targets(batch, kind, varying, constant, bound).size
        for size in (sizes if kind in SIZED_FAULTS else (1.0,))
        for _ in range(per_kind)
    ]
    if not wanted:
        raise InvalidHistory("no feature to plant faults into")
    places = find_places(batch, rng, len(wanted), length if in_time else 1)
    if not places:
        raise InvalidHistory(
            f"{len(batch)} records leave no room for a fault of {length} records; give a longer holdout"
        )
    order = rng.permutation(len(wanted))
    numbers, categories, texts = batch.numbers.copy(), batch.categories.copy(), batch.texts.copy()
    planted: list[PlantedFault] = []
    for index, rows in zip(order, places, strict=False):
        kind, size = wanted[index]
        feature = int(rng.choice(_targets(batch, kind, varying, constant, bound)))
        rows = rows[:_SPIKE_RECORDS] if kind is FaultKind.SPIKE else rows
        if kind is FaultKind.UNKNOWN_WORD:
            name, categories[rows, feature] = batch.schema.categories[feature], _UNSEEN
        elif kind is FaultKind.ODD_TEXT:
            name, texts[rows, feature] = batch.schema.texts[feature], _ODD
        else:
            name = batch.schema.numbers[feature]
            same_entity = np.flatnonzero(batch.entities == batch.entities[rows[0]])
            usual = _own_spread(batch, rows, feature) if len(rows) > 1 else None
            sized = (usual or float(spread[feature])) * size
            numbers[rows, feature] = _faulty(kind, batch.numbers[:, feature], rows, same_entity, sized, rng)
        planted.append(
            PlantedFault(
                kind=kind,
                entity=str(batch.entities[rows[0]]),
                start=batch.time(int(rows[0])),
                end=batch.time(int(rows[-1])),
                guilty=(name,),
                rows=rows,
            )
        )
    planted.sort(key=lambda fault: int(fault.rows[0]))
    return replace(batch, numbers=numbers, categories=categories, texts=texts), planted


def _spreads(batch: Batch) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """[F] pooled standard deviation within entities, and [F] whether a feature never moves. Entities of a few records each,
    such as payments, say nothing of how far theirs spread: they count as one."""
    numbers = batch.numbers.astype(np.float64)
    squares = np.zeros(numbers.shape[1])
    counts = np.zeros(numbers.shape[1])
    for mine in _groups(batch):
        rows = numbers[mine]
        seen = ~np.isnan(rows)
        number = np.maximum(seen.sum(0), 1)
        centred = np.where(seen, rows - np.nansum(rows, axis=0) / number, 0.0)
        squares += (centred**2).sum(0)
        counts += seen.sum(0)
    spread = np.sqrt(squares / np.maximum(counts, 1))
    scale = np.nanmax(np.abs(np.where(np.isnan(numbers), 0.0, numbers)), axis=0, initial=0.0)
    constant = spread <= 1e-6 * np.maximum(scale, 1e-12)
    return spread, constant


def _groups(batch: Batch) -> list[NDArray[np.intp]]:
    """Rows by entity, those of entities with a few records together."""
    own = list(rows_by_entity(batch.entities))
    few = [rows for rows in own if len(rows) < _FEW]
    return [rows for rows in own if len(rows) >= _FEW] + ([np.concatenate(few)] if few else [])


def _predicted_share(batch: Batch, spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """[F] the share of each number's variance that the others of its record predict."""
    width = len(spread)
    values = np.zeros((len(batch), width))
    for rows in _groups(batch):
        mine = batch.numbers[rows].astype(np.float64)
        seen = np.isfinite(mine)
        mean = np.where(seen, mine, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        values[rows] = np.where(seen, mine - mean, 0.0) / np.where(spread > 0, spread, 1.0)
    if len(batch) < 2 or width < 2:
        return np.zeros(width)
    left = 1.0 / np.diag(regress(values.astype(np.float32)).precision)
    return np.asarray(1.0 - left / np.maximum(values.var(axis=0), 1e-9))


def _own_spread(batch: Batch, rows: NDArray[np.intp], feature: int) -> float | None:
    """The standard deviation of the one thing that rows belong to, where several are told as one series."""
    mine = next((series for series in rows_by_series(batch) if rows[0] in series), None)
    entity = np.flatnonzero(batch.entities == batch.entities[rows[0]])
    if mine is None or len(mine) == len(entity):
        return None
    return float(np.nanstd(batch.numbers[mine, feature].astype(np.float64))) or None


def _targets(
    batch: Batch,
    kind: FaultKind,
    varying: NDArray[np.intp],
    constant: NDArray[np.bool_],
    bound: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Columns a kind may be planted into: of the numbers, but for words of the categories, and for texts of the texts."""
    if kind is FaultKind.UNKNOWN_WORD:
        return np.arange(len(batch.schema.categories))
    if kind is FaultKind.ODD_TEXT:
        return np.arange(len(batch.schema.texts))
    if kind is FaultKind.CONSTANT_MOVES:
        return np.flatnonzero(constant)
    types = {feature.name: feature.type for feature in batch.schema.features}
    numeric = [column for column in varying if types[batch.schema.numbers[column]] is FeatureType.NUMERIC]
    if kind in (FaultKind.CORRELATION_BREAK, FaultKind.LAG):  # what no other sensor predicts cannot contradict one
        numeric = [column for column in numeric if bound[column]]
    return np.asarray(numeric, np.intp)


def find_places(batch: Batch, rng: np.random.Generator, count: int, length: int) -> list[NDArray[np.intp]]:
    """Up to `count` row sets, each `length` consecutive rows of one entity, with as many rows free after each.

    Where several records of an entity share every time, they are several things told as one series: what befalls one of
    them touches one record of each time.
    """
    slots: list[NDArray[np.intp]] = []
    step = 2 * length if length > 1 else 1
    for rows in rows_by_series(batch) if length > 1 else rows_by_entity(batch.entities):
        # The first slot stays free where there is room: a context needs something normal to begin with.
        first = length if len(rows) >= step + length else 0
        slots += [rows[start : start + length] for start in range(first, len(rows) - length + 1, step)]
    chosen = rng.permutation(len(slots))[:count]
    return [slots[index] for index in chosen]


def rows_by_series(batch: Batch) -> list[NDArray[np.intp]]:
    """Rows by entity, and those of an entity of which k records share each time as k series."""
    found: list[NDArray[np.intp]] = []
    for rows in rows_by_entity(batch.entities):
        together = round(len(rows) / len(np.unique(batch.times[rows])))
        found += [rows[first::together] for first in range(together)]
    return found


def _faulty(
    kind: FaultKind,
    column: NDArray[np.float32],
    rows: NDArray[np.intp],
    same_entity: NDArray[np.intp],
    spread: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """[len(rows)] what the faulty feature shows."""
    values = column[rows].astype(np.float64)
    sign = rng.choice((-1.0, 1.0))
    count = len(rows)
    if kind is FaultKind.SPIKE:
        values += sign * 8.0 * spread
    elif kind is FaultKind.STUCK:
        values[:] = values[0]
    elif kind is FaultKind.DRIFT:
        values += sign * 4.0 * spread * np.linspace(0.0, 1.0, count)
    elif kind is FaultKind.SHIFT:
        values += sign * 3.0 * spread
    elif kind is FaultKind.NOISE:
        values += rng.normal(0.0, 1.5 * spread, count)
    elif kind is FaultKind.FAR:
        low, high = float(np.nanmin(column)), float(np.nanmax(column))
        values[:] = high + (high - low) if sign > 0 or low >= 0 else low - (high - low)
    elif kind is FaultKind.CONSTANT_MOVES:
        values += sign * max(1.0, 0.1 * float(np.nanmax(np.abs(values), initial=0.0)))
    else:
        values[:] = column[_source_rows(kind, rows, same_entity, rng)]
    return values


def _source_rows(
    kind: FaultKind, rows: NDArray[np.intp], same_entity: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of the same entity whose values the faulty feature shows instead of its own."""
    at = int(np.searchsorted(same_entity, rows[0]))
    if kind is FaultKind.LAG:
        return same_entity[np.maximum(np.arange(at, at + len(rows)) - max(5, len(rows) // 3), 0)]
    room = max(1, len(same_entity) - len(rows))
    # Far from the present where possible, else the borrowed values would fit.
    start = int((at + rng.uniform(0.25, 0.75) * room) % room)
    return same_entity[start : start + len(rows)]
