"""The recursion behind the sequence context, in compiled code. States + records -> states, context rows.

With C channels a state [S] is a header, blocks of C floats (AVERAGES averages, the variance of steps, the last value, the
ring of values that tells the window's shape), and then what charts, `follow` and `acquaint` keep, which is theirs. A context row [D]
is RECENT blocks of C floats, the window's shape in `patches` blocks, the charts, and a tail of TAIL numbers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly, part_of_kernel

_SEEN, _TIME_HIGH, _TIME_MIDDLE, _TIME_LOW, _MOVED, _MISSING, _MOVED_LONG = range(7)
HEADER = 7
"""State before the channels: records seen, time of the last one in three parts, moved constants, missing values, moved
constants over a longer time."""
AVERAGES = 2
STEPS, LAST, RING = AVERAGES, AVERAGES + 1, AVERAGES + 2
"""Which block of a state behind its header the variance of steps is, the last value, and the ring's first."""
RECENT = 4
"""Blocks of C floats that tell of the record and its recent past; they come first in a context row."""
TAIL = 5
"""Numbers after the blocks: recently moved constants, missing values, moved constants over a longer time, activity,
standstill."""
_LONG, _STEP, _TRAIL = AVERAGES, AVERAGES + 1, AVERAGES + 2
"""Which of the rates is that of a count over four windows, of the variance of steps, and of the other counts."""
_TIME_PART = np.int64(1 << 20)
"""A float32 holds whole numbers below 2^24 exactly; a time in milliseconds is kept in three such parts."""
_MOST_SEEN = np.int64(1 << 23)


@part_of_kernel
def _arrive(state: NDArray[np.float32], time: np.int64, gap: int, count: int) -> Any:
    """How many records came before this one, none after a silence longer than `gap`; the state then starts again."""
    seen = np.int64(state[_SEEN])
    high = np.int64(state[_TIME_HIGH])
    before = (high * _TIME_PART + np.int64(state[_TIME_MIDDLE])) * _TIME_PART + np.int64(state[_TIME_LOW])
    if seen > 0 and time - before > gap:
        seen = np.int64(0)
        state[: len(state) - 1 - 2 * count] = 0.0  # levels that were learned outlast a silence
    now = max(time, before) if seen > 0 else time
    state[_TIME_HIGH] = np.float32(now // (_TIME_PART * _TIME_PART))
    state[_TIME_MIDDLE] = np.float32((now // _TIME_PART) % _TIME_PART)
    state[_TIME_LOW] = np.float32(now % _TIME_PART)
    return seen


@part_of_kernel
def _tell_channels(
    state: NDArray[np.float32],
    z: NDArray[np.float32],
    n: int,
    seen: int,
    rates: NDArray[np.float32],
    usual: NDArray[np.float32],
    share: NDArray[np.float32],
    features: NDArray[np.float32],
) -> Any:
    """Average every channel of record n and write its blocks into row n of `features`.

    A missing value is taken to be what its fastest average says. Until an average has filled it is the plain mean.
    Returns how many values are missing, and the activity: the channels' v / (1 + sqrt v)^2 by `share`, v their variance of
    steps.
    """
    count = z.shape[1]
    own = np.float32(1.0) / np.float32(seen + 1)
    steps, last = HEADER + STEPS * count, HEADER + LAST * count
    missing = np.float32(0.0)
    activity = np.float32(0.0)
    for c in range(count):
        value = z[n, c]
        if np.isnan(value):
            missing += np.float32(1.0)
            value = state[HEADER + c]
        if seen == 0:
            state[steps + c] = usual[c]
            state[last + c] = value
        step = value - state[last + c]
        state[last + c] = value
        for k in range(AVERAGES):
            at = HEADER + k * count + c
            state[at] += max(rates[k], own) * (value - state[at])
        if seen > 0:
            state[steps + c] += rates[_STEP] * (step * step - state[steps + c])
        size = state[steps + c]
        features[n, c] = value
        features[n, count + c] = state[HEADER + c]
        features[n, 2 * count + c] = state[HEADER + count + c]
        features[n, 3 * count + c] = np.log(size / (usual[c] + np.float32(1e-6)) + np.float32(0.02))
        root = np.float32(1.0) + np.sqrt(size)
        activity += share[c] * size / (root * root)
    return missing, activity


@part_of_kernel
def _remember(
    state: NDArray[np.float32], seen: int, ring: int, count: int, features: NDArray[np.float32], n: int
) -> Any:
    """Put the record into the ring, or into all of it where the entity begins; returns where."""
    first = HEADER + RING * count
    if seen == 0:
        for k in range(ring):
            for c in range(count):
                state[first + k * count + c] = features[n, c]
    slot = seen % ring
    for c in range(count):
        state[first + slot * count + c] = features[n, c]
    return slot


@part_of_kernel
def _tell_shape(
    state: NDArray[np.float32],
    slot: int,
    ring: int,
    patches: int,
    mean: NDArray[np.float32],
    spread: NDArray[np.float32],
    n: int,
    features: NDArray[np.float32],
) -> None:
    """Write the window's shape into row n: each segment's mean, less the window's, over 1 + the window's deviation.

    The ring's oldest value stands behind `slot`. `mean` and `spread` [C] are room to work in.
    """
    count = len(mean)
    length = ring // patches
    first = HEADER + RING * count
    for c in range(count):
        mean[c] = np.float32(0.0)
        spread[c] = np.float32(0.0)
    for k in range(patches):
        into = (RECENT + k) * count
        for c in range(count):
            features[n, into + c] = np.float32(0.0)
        for _ in range(length):
            slot += 1
            if slot == ring:
                slot = 0
            at = first + slot * count
            for c in range(count):
                entry = state[at + c]
                features[n, into + c] += entry
                spread[c] += entry * entry
        for c in range(count):
            mean[c] += features[n, into + c]
    for c in range(count):
        mean[c] /= np.float32(ring)
        spread[c] = np.sqrt(max(spread[c] / np.float32(ring) - mean[c] * mean[c], np.float32(0.0)))
        spread[c] = np.float32(1.0) / (spread[c] + np.float32(1.0))
    for k in range(patches):
        into = (RECENT + k) * count
        for c in range(count):
            features[n, into + c] = (features[n, into + c] / np.float32(length) - mean[c]) * spread[c]


@compiled_exactly
def advance(
    states: NDArray[np.float32],
    owners: NDArray[np.int64],
    z: NDArray[np.float32],
    moved: NDArray[np.float32],
    times: NDArray[np.int64],
    gap: int,
    rates: NDArray[np.float32],
    usual: NDArray[np.float32],
    share: NDArray[np.float32],
    ring: int,
    patches: int,
    features: NDArray[np.float32],
    seen: NDArray[np.int64],
) -> None:
    """Advance `states` [E, S] in place by N records, and write their context rows and how many records came before each.

    Of record n `owners` [N] names the state, `z` [N, C] has the channels, NaN where missing, `moved` [N] counts the moved
    constants and `times` [N] has the milliseconds; `gap`, in milliseconds, is the silence after which a state starts again.
    `rates` [5] are those of the averages, of the long count, of the variance of steps and of the other counts; `usual` [C] is a step's variance in
    training; `share` [C] is what each channel counts in the activity; the ring keeps `ring` values a channel, told in
    `patches` segments where that is not 0. Written are `features` [N, D],
    except charts and standstill, and `seen` [N].

    One row at a time and float32 throughout, so that where a batch is split cannot matter.
    """
    count = z.shape[1]
    tail = (RECENT + patches + 1) * count
    mean = np.empty(count, np.float32)
    spread = np.empty(count, np.float32)
    for n in range(len(z)):
        state = states[owners[n]]
        before = _arrive(state, times[n], gap, count)
        missing, activity = _tell_channels(state, z, n, before, rates, usual, share, features)
        state[_MOVED] += rates[_TRAIL] * (moved[n] - state[_MOVED])
        state[_MISSING] += rates[_TRAIL] * (missing - state[_MISSING])
        state[_MOVED_LONG] += rates[_LONG] * (moved[n] - state[_MOVED_LONG])
        features[n, tail] = state[_MOVED]
        features[n, tail + 1] = state[_MISSING]
        features[n, tail + 2] = state[_MOVED_LONG]
        features[n, tail + 3] = activity
        if patches > 0:
            slot = _remember(state, before, ring, count, features, n)
            _tell_shape(state, slot, ring, patches, mean, spread, n, features)
        state[_SEEN] = np.float32(min(before + 1, _MOST_SEEN))
        seen[n] = before
