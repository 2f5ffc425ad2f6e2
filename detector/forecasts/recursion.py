"""The recursion behind a forecast, in compiled code: every record is predicted, then learned from.

z [N, C] and its place in day and week -> readings [N, C, READINGS], expected z [N, C]

Of each entity and channel a state keeps a table of the day or of another cycle (location and relative spread by slot), one of the week, and a
forecast of what is left of it by recursive least squares with forgetting (Haykin, Adaptive Filter Theory, ch. 10). With
location l and residual r = z - l, the level of the day D and the forecast f of r, the error is e = r - f, and u = e / (g v)
is what it is worth: g its usual size, v how wide the slot is beside others. The season is a condition and no feature: a
step goes into D and not into the table, and what the week says is an input of the forecast, which learns what it is worth.

One row at a time, arithmetic in float64 and states in float32, so that where a batch is split cannot matter.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly, part_of_kernel

Floats = NDArray[np.float32]

READINGS = 6
"""Of the errors: the newest, averages over 8 and over 24 records, their size over 9, how far the level is from the season's, and
how little the value moved over 8. Spans and clip were chosen on generated streams and two labelled metrics
(docs/experiments.md)."""
INPUTS = 11
"""Of a forecast: residuals 1, 2, 3 and 6 records ago, averages over 8, 32 and 128 records, the day's level, 1, and what the
week says of this record and of the last."""
HEADER = 4
"""State before the channels: the last time in three parts, and how many records came since the past began."""
_WEEK_SLOTS = 168
_COUNT, _LEVEL, _SIZE, _WEEK_BEFORE, _SHORT, _MEDIUM, _NOISE, _OFF, _MOVES, _LAST = range(10)
_LAGS, _LAGS_KEPT = 10, 6
_AVERAGES = _LAGS + _LAGS_KEPT
_WEIGHTS = _AVERAGES + 3
_COVARIANCE = _WEIGHTS + INPUTS
TABLES = _COVARIANCE + INPUTS * INPUTS
"""Where in a channel's state the tables begin: location, spread and visits by slot, the week's location and visits."""

_TIME_PART = np.int64(1 << 20)
_MOST_SEEN = np.int64(1 << 23)
_FORGETTING = 0.9995
_FIRST_VARIANCE, _FIRST_WEEK_VARIANCE = 100.0, 1.0
_WIDEST = 100.0 * (9 * _FIRST_VARIANCE + 2 * _FIRST_WEEK_VARIANCE)
"""The largest trace of the covariance of weights: without it a quiet stretch would blow it up."""
_CLIPPED_AFTER = 50.0
"""Records after which a single error pulls the weights no harder than one of 4 usual sizes."""
WEEKDAYS_AFTER = 21.0
"""Days that must have passed before weekdays are an input."""
_SLOWEST = 0.03
"""Share of a visit by which a slot follows at least."""
_SMALLEST = 1e-4
_LARGEST_ERROR = 5.0
_SHORT_RATE, _MEDIUM_RATE, _NOISE_RATE = 2.0 / 9.0, 2.0 / 25.0, 2.0 / 10.0
_MOVES_SPAN = 8.0


def state_size(slots: int) -> int:
    """Floats of an entity's channel whose day has so many slots; 0 where it has no season."""
    return TABLES + (3 * slots + 2 * _WEEK_SLOTS if slots else 0)


def fresh_channel(slots: int) -> Floats:
    """[state_size] of a channel of which nothing is known."""
    state = np.zeros(state_size(slots), np.float32)
    variances = np.full(INPUTS, _FIRST_VARIANCE, np.float32)
    variances[-2:] = _FIRST_WEEK_VARIANCE
    state[_COVARIANCE:TABLES] = np.diag(variances).ravel()
    state[TABLES + slots : TABLES + 2 * slots] = 1.0  # spreads are relative
    return state


@part_of_kernel
def _arrive(state: Floats, time: np.int64, gap: int) -> Any:
    """How many records came before this one; none where none is known, or the last is longer ago than `gap`, or lies so far
    ahead."""
    before = (np.int64(state[0]) * _TIME_PART + np.int64(state[1])) * _TIME_PART + np.int64(state[2])
    since = np.int64(state[3])
    if time - before > gap or before - time > gap:
        since = np.int64(0)
    now = max(time, before) if since > 0 else time
    state[0] = np.float32(now // (_TIME_PART * _TIME_PART))
    state[1] = np.float32((now // _TIME_PART) % _TIME_PART)
    state[2] = np.float32(now % _TIME_PART)
    state[3] = np.float32(min(since + 1, _MOST_SEEN))
    return since


@part_of_kernel
def _forecast(weights: Any, inputs: Any) -> Any:
    out = 0.0
    for i in range(INPUTS):
        out += np.float64(weights[i]) * inputs[i]
    return out


@part_of_kernel
def _learn(weights: Any, covariance: Any, inputs: Any, error: float, week: Any, gain: Any) -> None:
    """One step of recursive least squares. What the week says is not forgotten while it is no input."""
    spread = _FORGETTING
    for i in range(INPUTS):
        gain[i] = 0.0
        for j in range(INPUTS):
            gain[i] += np.float64(covariance[i * INPUTS + j]) * inputs[j]
        spread += gain[i] * inputs[i]
    trace = 0.0
    for i in range(INPUTS):
        weights[i] = np.float32(np.float64(weights[i]) + gain[i] * error / spread)
        for j in range(i + 1):
            at, mirrored = i * INPUTS + j, j * INPUTS + i
            left = np.float64(covariance[at]) - gain[i] * gain[j] / spread
            if week or i < INPUTS - 2:
                left /= _FORGETTING
            if i == j:
                left = max(left, 1e-9)
                trace += left
            covariance[at] = covariance[mirrored] = np.float32(left)
    if trace > _WIDEST:
        for at in range(INPUTS * INPUTS):
            covariance[at] *= np.float32(_WIDEST / trace)


@part_of_kernel
def _average(state: Floats, at: int, span: float, value: float, before: float) -> None:
    """Move the exponential average at `at` towards a value; the plain mean of the first records until it has filled."""
    rate = max(2.0 / (span + 1.0), 1.0 / (before + 1.0))
    state[at] = np.float32(state[at] + rate * (value - state[at]))


@compiled_exactly
def predict_and_learn(
    states: Floats,
    at: int,
    owners: NDArray[np.int64],
    z: Floats,
    times: NDArray[np.int64],
    phases: NDArray[np.float64],
    week: NDArray[np.float64],
    slots: NDArray[np.int64],
    per_cycle: NDArray[np.float64],
    by_clock: NDArray[np.bool_],
    daily: float,
    gap: int,
    usual: Floats,
    week_worth: NDArray[np.float64],
    readings: Floats,
    expected: Floats,
    ages: NDArray[np.int64],
    horizon: int,
    errors: Floats,
    week_told: NDArray[np.float64],
) -> None:
    """Advance `states` [E, S], whose part begins at `at`, by N records in row order, and read each before it is learned from.

    `z` [N, C] has the channels, NaN where missing; `times` [N] are milliseconds; `phases` [N, C], 0 to 1, say
    where in its cycle each channel is and `week` [N], hours from 0 to 168, when it is by the clock of the place. `slots` [C] of
    a cycle is 0 for a channel without a season; a cycle has `per_cycle` [C] records, a day `daily`; only of a cycle
    `by_clock` [C] is the week asked; `gap` in milliseconds the silence after which lags and averages start again from the record that ends it; `usual` [3, C]
    are of each channel the usual distance from the day's level, the step beyond which more says nothing, and the
    step below which less says nothing; `week_worth` [C] is by what the word of the week is multiplied where the level is
    compared with what it should be. Written are `readings` [N, C, READINGS], `expected`
    [N, C] and how many records of its entity came before each since the past began, `ages` [N].

    Where `horizon` is not 0, there is one entity, and `errors` [N, C, 2] receives the error of the forecast and that of another
    so many records ahead, made by weights of its own; training compares them with and without a season. Added to `week_told`
    [C, 2] are the products of what the week says with what followed, and with itself: the first by the second is its worth.
    """
    inputs, gain = np.empty(INPUTS), np.empty(INPUTS)
    channels = z.shape[1]
    ahead = np.zeros((max(horizon, 1), channels, INPUTS))
    far_weights = np.zeros((channels, INPUTS))
    far_covariance = np.zeros((channels, INPUTS * INPUTS))
    for c in range(channels):
        for i in range(INPUTS):
            far_covariance[c, i * INPUTS + i] = _FIRST_VARIANCE if i < INPUTS - 2 else _FIRST_WEEK_VARIANCE
    half_life = 1.0 - 0.5 ** (1.0 / 200.0)
    off_rate = 1.0 - 0.5 ** (1.0 / (3.0 * daily))
    for n in range(len(z)):
        whole = states[owners[n], at:]
        ages[n] = _arrive(whole, times[n], gap)
        begins = ages[n] == 0
        first = HEADER
        for c in range(channels):
            count = slots[c]
            state = whole[first : first + TABLES + (3 * count + 2 * _WEEK_SLOTS if count > 0 else 0)]
            first += len(state)
            weights, covariance = state[_WEIGHTS:_COVARIANCE], state[_COVARIANCE:TABLES]
            seen = np.float64(state[_COUNT])
            level, size = np.float64(state[_LEVEL]), np.float64(state[_SIZE])
            location, width, said = 0.0, 1.0, 0.0
            low = high = hour = next_hour = 0
            share = share_of_hour = visits = week_visits = 0.0
            if count > 0:
                place = phases[n, c] * count
                low = int(place) % count
                share, high = place - np.floor(place), (low + 1) % count
                visits = count / per_cycle[c]
                week_place = week[n]
                hour = int(week_place) % _WEEK_SLOTS
                share_of_hour, next_hour = week_place - np.floor(week_place), (hour + 1) % _WEEK_SLOTS
                week_visits = 24.0 / daily
                table = state[TABLES:]
                for k in range(2):
                    slot, weight = (low, 1.0 - share) if k == 0 else (high, share)
                    known = np.float64(table[2 * count + slot])
                    location += weight * table[slot] * known / (known + 0.5)
                    width += weight * (table[count + slot] - 1.0) * known / (known + 3.0)
                    slot, weight = (hour, 1.0 - share_of_hour) if k == 0 else (next_hour, share_of_hour)
                    known = np.float64(table[3 * count + _WEEK_SLOTS + slot])
                    said += weight * table[3 * count + slot] * known / (known + 4.0)
            weekdays = count > 0 and by_clock[c] and seen >= WEEKDAYS_AFTER * daily
            of_week = week_worth[c] * said if weekdays else 0.0
            missing = np.isnan(z[n, c])
            if begins and not missing:
                if seen == 0:
                    level = min(max(z[n, c] - location, -3.0), 3.0)
                for k in range(_LAGS_KEPT + 3):
                    state[_LAGS + k] = np.float32(z[n, c] - location)
                state[_SHORT] = state[_MEDIUM] = np.float32(0.0)
            inputs[0], inputs[1], inputs[2], inputs[3] = (
                state[_LAGS],
                state[_LAGS + 1],
                state[_LAGS + 2],
                state[_LAGS + 5],
            )
            for k in range(3):
                inputs[4 + k] = state[_AVERAGES + k]
            inputs[7], inputs[8] = level, 1.0
            inputs[9] = said if weekdays else 0.0
            inputs[10] = np.float64(state[_WEEK_BEFORE]) if weekdays else 0.0
            forecast = _forecast(weights, inputs)
            expected[n, c] = np.float32(location + forecast)
            residual = np.float64(z[n, c]) - location
            error = residual - forecast
            scale = max(size, _SMALLEST) * max(width, 0.05)
            worth = error / scale if seen >= 2.0 else 0.0
            off = 0.0
            if not missing:
                if horizon > 0:
                    far = residual - _forecast(far_weights[c], ahead[n % horizon, c])
                    errors[n, c, 0], errors[n, c, 1] = np.float32(error), np.float32(far)
                    if n >= horizon:
                        _learn(far_weights[c], far_covariance[c], ahead[n % horizon, c], far, weekdays, gain)
                clipped = min(max(worth, -_LARGEST_ERROR), _LARGEST_ERROR)
                state[_SHORT] = np.float32(state[_SHORT] + _SHORT_RATE * (clipped - state[_SHORT]))
                state[_MEDIUM] = np.float32(state[_MEDIUM] + _MEDIUM_RATE * (clipped - state[_MEDIUM]))
                state[_NOISE] = np.float32(state[_NOISE] + _NOISE_RATE * (abs(clipped) - state[_NOISE]))
                off = abs(residual - level - of_week)
                usually = np.float64(state[_OFF]) if seen > 0 else np.float64(usual[0, c])
                kept = min(off, 4.0 * usual[0, c])
                state[_OFF] = np.float32(usually + off_rate * (kept - usually))
                off /= max(usually, _SMALLEST)
                moved = min(abs(z[n, c] - state[_LAST]), usual[1, c]) if seen > 0 else np.float64(usual[1, c])
                _average(state, _MOVES, _MOVES_SPAN, moved, seen)
                state[_LAST] = z[n, c]
            else:
                worth = 0.0
            readings[n, c, 0] = np.float32(np.log(abs(worth) + 1e-6))
            readings[n, c, 1] = np.float32(np.log(abs(state[_SHORT]) + 1e-6))
            readings[n, c, 2] = np.float32(np.log(abs(state[_MEDIUM]) + 1e-6))
            readings[n, c, 3] = np.float32(np.log(state[_NOISE] + 1e-6))
            readings[n, c, 4] = np.float32(np.log(off + 1e-6))
            readings[n, c, 5] = np.float32(-np.log(state[_MOVES] + usual[2, c]))
            if missing:
                if horizon > 0:
                    ahead[n % horizon, c] = inputs
                    errors[n, c, 0] = errors[n, c, 1] = np.float32(np.nan)
                continue
            pull = error
            if seen >= _CLIPPED_AFTER:
                pull = min(max(error, -4.0 * scale), 4.0 * scale)
            _learn(weights, covariance, inputs, pull, weekdays, gain)
            relative = abs(error) / max(width, 0.05)
            if seen > 0:
                size += max(half_life, 1.0 / seen) * (relative - size)
            away = residual - level
            if weekdays:
                week_told[c, 0] += said * min(max(away, -3.0), 3.0)
                week_told[c, 1] += said * said
            if count > 0:
                table = state[TABLES:]
                bound = 8.0 * max(size, _SMALLEST)
                away_of_day = min(max(away, -bound), bound) if seen > 0 else away
                away_of_week = min(max(away - said, -bound), bound)
                spread = min(abs(error) / max(size, _SMALLEST), 4.0) if seen > 0 else 1.0
                for k in range(2):
                    slot, weight = (low, 1.0 - share) if k == 0 else (high, share)
                    known = np.float64(table[2 * count + slot])
                    rate = weight * max(_SLOWEST * visits, visits / (known + visits))
                    table[slot] = np.float32(table[slot] + rate * away_of_day)
                    table[count + slot] = np.float32(table[count + slot] + rate * (spread - table[count + slot]))
                    table[2 * count + slot] = np.float32(known + weight * visits)
                    slot, weight = (hour, 1.0 - share_of_hour) if k == 0 else (next_hour, share_of_hour)
                    known = np.float64(table[3 * count + _WEEK_SLOTS + slot])
                    rate = weight * max(_SLOWEST * week_visits, week_visits / (known + week_visits))
                    table[3 * count + slot] = np.float32(table[3 * count + slot] + rate * away_of_week)
                    table[3 * count + _WEEK_SLOTS + slot] = np.float32(known + weight * week_visits)
            level += max(1.0 / max(daily, per_cycle[c]), 1.0 / (seen + 1.0)) * min(max(away, -3.0), 3.0)
            for k in range(_LAGS_KEPT - 1, 0, -1):
                state[_LAGS + k] = state[_LAGS + k - 1]
            state[_LAGS] = np.float32(residual)
            _average(state, _AVERAGES, 8.0, residual, seen)
            _average(state, _AVERAGES + 1, 32.0, residual, seen)
            _average(state, _AVERAGES + 2, 128.0, residual, seen)
            state[_LEVEL], state[_SIZE] = np.float32(level), np.float32(size)
            state[_WEEK_BEFORE] = np.float32(said)
            state[_COUNT] = np.float32(min(seen + 1.0, 8e6))
            if horizon > 0:
                ahead[n % horizon, c] = inputs


def unsettle_channel(state: Floats, slots: int) -> None:
    """Let tables [state_size] in place count as seen once, so that another entity's day soon replaces them."""
    for counts in _visits(state, slots):
        np.minimum(counts, 1.0, out=counts)


def rescale_channel(state: Floats, slots: int, ratio: float, shift: float) -> None:
    """Turn a state [state_size] in place into that of a channel whose values v are now `ratio` v + `shift`."""
    residuals = [_LEVEL, *range(_LAGS, _WEIGHTS)]
    sizes = [_SIZE, _WEEK_BEFORE, _OFF, _MOVES]
    state[residuals] = state[residuals] * ratio + shift
    state[sizes] *= ratio
    state[_LAST] = state[_LAST] * ratio + shift
    inputs = np.full(INPUTS, ratio, np.float64)
    inputs[8] = 1.0
    weights = state[_WEIGHTS:_COVARIANCE] * (ratio / inputs)
    weights[8] += shift * (1.0 - weights[:8].sum())
    state[_WEIGHTS:_COVARIANCE] = weights
    state[_COVARIANCE:TABLES] *= ((ratio / inputs)[:, None] * (ratio / inputs)).ravel()
    if slots:
        state[TABLES : TABLES + slots] *= ratio
        state[TABLES + 3 * slots : TABLES + 3 * slots + _WEEK_SLOTS] *= ratio


def _visits(state: Floats, slots: int) -> list[Floats]:
    """How often each slot of a state's tables was seen."""
    if not slots:
        return []
    return [state[TABLES + 2 * slots : TABLES + 3 * slots], state[TABLES + 3 * slots + _WEEK_SLOTS :]]
