"""When a lasting change becomes a question: the rule, record by record, with a small state an entity.

Surprises s [N] and how rare they are lately L [N] -> what a record is in a lasting change [N], since when, what moved [N, 3 MOVED]

A record is strange where s reaches the threshold T of its group. With strange records and all records both fading over a memory of 14
days, their share q has the promise 10^-T as its prior, as `latentwatch.detector.lately` has. A *stretch* begins with a
strange record, and is over where the share has sunk below 1 % again. It is asked about once q reaches a tenth, a day after
it began at the earliest, and where of the last day many records were strange, and more than a few in all: such records are
usual lately, and strange against training. Faults that come one after another, each of them over soon, are no change that lasts.

Once it was asked about, a strange record passes, but where something begins that is rare lately: from L >= T on, for as long
as s >= T and L >= 1. It is asked about again each week. Three days without more than a few strange records end it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly, part_of_kernel
from latentwatch.domain.steps import ASKS, NOTHING, PASSES

Floats = NDArray[np.float32]

MOVED = 3
"""Features at most that are said to have moved."""
_PRIOR_SHARE = 0.25
_HOUR = 3_600_000
_LEAST = 24 * _HOUR
"""Milliseconds from the first strange record to the question."""
_SLOWEST = 6 * _HOUR
"""Milliseconds that a record stands for at most in the share of the last day, however long it was silent before."""
_AGAIN = 7 * 24 * _HOUR
_OVER = 3 * 24 * _HOUR
"""Longer than a weekend: what works five days a week is no other level each Monday."""
_USUAL, _SELDOM = 0.1, 0.01
_MANY, _DENSE = 0.3, 0.05
"""Share of strange records of the last day from which a change is asked about, and from which it goes on."""
_FEWEST = 4.0
"""Fading count of strange records below which nothing is asked: five records of a day each. Two are a tenth of two weeks."""
_DAYS = 14.0
_WORTH_TELLING = 0.5
"""Standard deviations before, by which a feature's mean must differ to be named; a third of the furthest as well."""
_TIME_PART = np.int64(1 << 20)
"""A float32 holds whole numbers below 2^24 exactly; milliseconds since 1970 are kept in two such parts."""
_LATEST = _TIME_PART * (1 << 24) - 1

_SINCE, _ASKED, _DENSE_AT, _LAST = 0, 2, 4, 6
"""Where in a state times begin: of the stretch, of the last question, of the last record of a dense day, of the last record."""
_ALL, _STRANGE, _SHARE, _WAS_ASKED, _OPEN, _BEFORE, _DURING = range(8, 15)
"""Fading counts of records and of strange ones, the share of the last day, whether it was asked, whether an alarm is open
beyond what was asked about, and records in the means."""
HEADER = 15
MEANS = 3
"""Numbers a feature: mean and mean square before the stretch, mean of its last day."""
COLUMNS = 3 + 3 * MOVED
"""What is told of a record: what it is, since when in two parts, and of each feature that moved its number, from what, to what."""


class StepReading(NamedTuple):
    """What is told of N records."""

    kind: NDArray[np.int8]
    """[N] NOTHING, PASSES or ASKS."""
    since: NDArray[np.int64]
    """[N] milliseconds of the stretch's first strange record; 0 where there is none."""
    moved: Floats
    """[N, MOVED, 3] feature's number, or -1, its mean before and its mean now; of records that ask."""


def read(told: Floats) -> StepReading:
    """What columns [N, COLUMNS] say."""
    since = told[:, 1].astype(np.int64) * _TIME_PART + told[:, 2].astype(np.int64)
    return StepReading(told[:, 0].astype(np.int8), since, told[:, 3:].reshape(len(told), MOVED, 3))


def state_size(features: int) -> int:
    """Floats an entity; zeros at first."""
    return HEADER + MEANS * features


def follow(
    states: Floats,
    owners: NDArray[np.intp],
    times: NDArray[np.int64],
    values: Floats,
    surprises: Floats,
    lately: Floats,
    thresholds: NDArray[np.floating],
    memory: float,
    *,
    passes: bool,
    again: bool = True,
) -> Floats:
    """[N, COLUMNS] of records of times [N], in microseconds, and features [N, F]; `states` [E, S] advance in place, in row order.

    `thresholds` [N] are of the records' groups. `memory` is 14 days of records. Where not `passes`, no record is said to pass: what is usual lately does not reach the
    threshold then. `again` says whether it is asked about each week.
    """
    told = np.zeros((len(surprises), COLUMNS), np.float32)
    _follow(
        states,
        np.ascontiguousarray(owners, np.int64),
        times // 1000,
        np.ascontiguousarray(values, np.float32),
        np.ascontiguousarray(surprises, np.float32),
        np.ascontiguousarray(lately, np.float32),
        np.ascontiguousarray(thresholds, np.float32),
        memory,
        passes,
        again,
        told,
    )
    return told


@part_of_kernel
def _put_time(state: Floats, at: int, time: np.int64) -> None:
    state[at] = np.float32(time // _TIME_PART)
    state[at + 1] = np.float32(time % _TIME_PART)


@part_of_kernel
def _time(state: Floats, at: int) -> np.int64:
    return np.int64(state[at]) * _TIME_PART + np.int64(state[at + 1])


@part_of_kernel
def _average(state: Floats, values: Floats, n: int, features: int, before: bool, day: float, memory: float) -> None:
    """Let record n count in the means: of before, or of the stretch's last day."""
    at = _BEFORE if before else _DURING
    state[at] = min(state[at] + np.float32(1.0), np.float32(memory if before else day))
    rate = np.float32(1.0) / state[at]
    for f in range(features):
        value = values[n, f]
        if np.isfinite(value):
            mine = HEADER + MEANS * f
            if before:
                state[mine] += rate * (value - state[mine])
                state[mine + 1] += rate * (value * value - state[mine + 1])
            else:
                state[mine + 2] += rate * (value - state[mine + 2])


@part_of_kernel
def _tell_moved(state: Floats, features: int, told: Floats, n: int) -> None:
    """Write the features whose means differ most, the furthest first."""
    furthest = np.inf
    floor = _WORTH_TELLING
    for place in range(MOVED):
        best, chosen = 0.0, -1
        for f in range(features):
            mine = HEADER + MEANS * f
            was = np.float64(state[mine])
            spread = np.sqrt(max(np.float64(state[mine + 1]) - was * was, 0.0)) + 1e-6 * abs(was) + 1e-30
            off = abs(np.float64(state[mine + 2]) - was) / spread
            if best < off < furthest and off >= floor:
                best, chosen = off, f
        told[n, 3 + 3 * place] = np.float32(chosen)
        if chosen >= 0:
            told[n, 4 + 3 * place] = state[HEADER + MEANS * chosen]
            told[n, 5 + 3 * place] = state[HEADER + MEANS * chosen + 2]
            furthest = best
            floor = max(floor, best / 3.0) if place == 0 else floor


@compiled_exactly
def _follow(
    states: Floats,
    owners: NDArray[np.int64],
    times: NDArray[np.int64],
    values: Floats,
    surprises: Floats,
    lately: Floats,
    thresholds: Floats,
    memory: float,
    passes: bool,
    again: bool,
    told: Floats,
) -> None:
    """`follow` with milliseconds, into `told` [N, COLUMNS]. One row at a time, so that where a batch is split cannot matter."""
    features = values.shape[1]
    fading = np.float32(np.exp(-1.0 / memory))
    prior = _PRIOR_SHARE * memory
    day = max(memory / _DAYS, 8.0)  # in records, for the means
    for n in range(len(surprises)):
        state = states[owners[n]]
        time = min(max(times[n], np.int64(0)), _LATEST)
        threshold = thresholds[n]
        promised = prior * 10.0 ** -np.float64(threshold)
        strange = surprises[n] >= threshold
        is_strange = np.float32(1.0) if strange else np.float32(0.0)
        state[_ALL] = state[_ALL] * fading + np.float32(1.0)
        state[_STRANGE] = state[_STRANGE] * fading + is_strange
        last = _time(state, _LAST)
        passed = min(max(time - last, np.int64(0)), np.int64(_SLOWEST)) if last > 0 else np.int64(0)
        _put_time(state, _LAST, time)
        state[_SHARE] += (is_strange - state[_SHARE]) * np.float32(1.0 - np.exp(-passed / _LEAST))
        share = (promised + np.float64(state[_STRANGE])) / (prior + np.float64(state[_ALL]))
        since = _time(state, _SINCE)
        if strange and since == 0:
            since = time
            _put_time(state, _SINCE, time)
            state[_DURING] = np.float32(0.0)
        if state[_SHARE] >= _DENSE:
            _put_time(state, _DENSE_AT, time)
        asked = state[_WAS_ASKED] > 0
        if asked and time - _time(state, _DENSE_AT) > _OVER:
            asked, since = False, np.int64(0)
            state[_STRANGE] = is_strange
        elif since > 0 and not asked and not strange and share < _SELDOM:
            since = np.int64(0)
        if since == 0:
            _put_time(state, _SINCE, np.int64(0))
            state[_WAS_ASKED] = state[_OPEN] = np.float32(0.0)
        _average(state, values, n, features, since == 0, day, memory)
        kind = NOTHING
        if asked:
            opens = strange and lately[n] >= (np.float32(1.0) if state[_OPEN] > 0 else threshold)
            state[_OPEN] = np.float32(1.0) if opens else np.float32(0.0)
            if strange and not opens and passes:
                kind = PASSES
            if strange and again and time - _time(state, _ASKED) >= _AGAIN:
                kind = ASKS
        elif strange and share >= _USUAL and state[_SHARE] >= _MANY and time - since >= _LEAST:
            kind = ASKS if state[_STRANGE] >= np.float32(_FEWEST) else NOTHING
        if kind == ASKS:
            state[_WAS_ASKED] = np.float32(1.0)
            _put_time(state, _ASKED, time)
            _tell_moved(state, features, told, n)
        told[n, 0] = np.float32(kind)
        _put_time(told[n], 1, since)
