"""Counters counted: from values to rates, by what is known of each entity's last value.

Batch with counters [N] -> the same records with each counter's rate a second, by its entity's record before

What only grows is no level: whatever was learned of it, the next value lies beyond. Its rate is one. With v and t a value
and its time, and v', t' those of the entity's last record that had a value,

    rate = (v - v') / (t - t')

Where a counter falls, its machine began anew, and how far it had come by then is unknown, as it is where no time has passed
and of an entity's first record. What stands for an unknown rate must be no anomaly by itself: it is the entity's mean rate
of late, or, where the record would look strange with that, what its other numbers and its past predict.
A missing value is a missing rate; the next one is the mean over both intervals.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.growth import only_grows
from latentwatch.detector.kernels import compiled_exactly
from latentwatch.domain.counters import in_rates
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import FeatureType

Floats = NDArray[np.float32]

_WORDS = 3
"""Floats of 32 bits whose sum is a number of 64."""
OF_A_COUNTER = 2 * _WORDS + 2
"""Floats of state: its last value, when that was, its mean rate of late, and whether there was one."""
_RATE, _KNOWN = 2 * _WORDS, 2 * _WORDS + 1
_FOLLOWS = 0.125
"""Weight of a new rate in that mean, with which a prediction begins."""
FEWEST_STEPS = 200
"""Of a history: fewer may grow by chance."""


def counters_of(history: Batch) -> tuple[str, ...]:
    """The features that are judged by their rate, in the schema's order: those that the monitor calls counters, and those
    that only grow, each entity's for itself, in order of time. Without a time there is no rate, and there are none."""
    schema = history.schema
    if schema.time is None or not len(history):
        return ()
    rows_of_each = rows_by_entity(history.entities)
    plain = [name for name in schema.numbers if schema.feature(name).type is FeatureType.NUMERIC]
    growing = {name for name in plain if only_grows(column_of(history, name), rows_of_each, FEWEST_STEPS)}
    return tuple(name for name in schema.numbers if name in growing or name in schema.counters)


def to_rates(history: Batch, counters: tuple[str, ...]) -> tuple[Batch, Floats]:
    """Records of which nothing came before, each entity's in order, as `RateDetector.inner` judges them; and the usual rate
    [K] of each counter, which stands for an entity's first one."""
    if not counters:
        return history, np.zeros(0, np.float32)
    _, owners = np.unique(history.entities.astype(str), return_inverse=True)
    owners = owners.astype(np.intp)
    entities = int(owners.max(initial=-1)) + 1
    rates, unknown = read_rates(fresh_counts(np.zeros(len(counters), np.float32), entities), owners, history, counters)
    told = [each[~none & np.isfinite(each)] for each, none in zip(rates.T, unknown.T, strict=True)]
    usual = np.array([np.median(known) if len(known) else 0.0 for known in told])
    rates, _ = read_rates(fresh_counts(usual.astype(np.float32), entities), owners, history, counters)
    return with_rates(history, counters, rates), usual.astype(np.float32)


def column_of(batch: Batch, name: str) -> NDArray[np.float64]:
    """[N] a number of each record, 64 bits."""
    return np.asarray(batch.numbers[:, batch.schema.numbers.index(name)], np.float64)


def with_rates(batch: Batch, counters: tuple[str, ...], rates: Floats) -> Batch:
    """The records [N] with the rates [N, K] in the place of the counters."""
    numbers = np.array(batch.numbers, np.float32)
    numbers[:, [batch.schema.numbers.index(name) for name in counters]] = rates
    return replace(batch, schema=in_rates(batch.schema, counters), numbers=numbers)


def fresh_counts(usual: Floats, entities: int) -> Floats:
    """[entities, K floats] of state, of which no record came yet."""
    own = np.zeros((entities, len(usual), OF_A_COUNTER), np.float32)
    own[:, :, _RATE] = usual
    return own.reshape(entities, len(usual) * OF_A_COUNTER)


def read_rates(
    states: Floats, owners: NDArray[np.intp], batch: Batch, counters: tuple[str, ...]
) -> tuple[Floats, NDArray[np.bool_]]:
    """[N, K] the counters' rates, and where they are unknown and what is usual lately stands for them; the first floats of
    `states` [E, ...] advance in place."""
    shape = len(batch), len(counters)
    rates, unknown = np.empty(shape, np.float32), np.zeros(shape, np.bool_)
    columns = [batch.schema.numbers.index(name) for name in counters]
    values = np.ascontiguousarray(batch.numbers[:, columns], np.float64)
    _advance(states, np.ascontiguousarray(owners, np.int64), values, batch.times, rates, unknown)
    return rates, unknown


@compiled_exactly
def _advance(
    states: Floats,
    owners: NDArray[np.int64],
    values: NDArray[np.float64],
    times: NDArray[np.int64],
    rates: Floats,
    unknown: NDArray[np.bool_],
) -> None:
    """The rates [N, K] of counters with `values` [N, K] at `times` [N], microseconds, in row order."""
    for row in range(len(owners)):
        for counter in range(values.shape[1]):
            own = states[owners[row], counter * OF_A_COUNTER : (counter + 1) * OF_A_COUNTER]
            value, time = values[row, counter], np.float64(times[row])
            if np.isnan(value):
                rates[row, counter] = np.nan
                continue
            known = own[_KNOWN] > 0.5
            before = np.float64(own[0]) + np.float64(own[1]) + np.float64(own[2])
            seconds = (time - (np.float64(own[3]) + np.float64(own[4]) + np.float64(own[5]))) / 1e6
            rate = np.float64(own[_RATE])
            if known and seconds > 0.0 and value >= before:
                rate = (value - before) / seconds
                own[_RATE] += np.float32(_FOLLOWS * (rate - own[_RATE]))
            else:
                unknown[row, counter] = True
            rates[row, counter] = rate
            if known and seconds <= 0.0:
                continue  # what came late, or twice, is behind what is known already
            own[_KNOWN] = 1.0
            for place in range(_WORDS):
                own[place] = np.float32(value)
                value -= np.float64(own[place])
                own[_WORDS + place] = np.float32(time)
                time -= np.float64(own[_WORDS + place])
