"""Twenty streams like those most people monitor: one number every few minutes with a day in it, drawn anew for a seed.

Five profiles (requests of a website, a smooth day, bursts, jobs of a schedule, and one without any season) at four cadences.
Four weeks train, four weeks are tested with nine labelled events in them, sized by the amplitude of the training weeks: the
distance of its 5 % and 95 % quantiles. On the profile without a season a missing peak and a shifted day leave nothing to see.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.datasets import Floats, Truth

DAYS_TRAINED = DAYS_TESTED = 28
MONDAY = 1_772_409_600
"""2 March 2026, midnight UTC, in seconds since 1970."""
CADENCES = (5, 15, 30, 60)
"""Minutes between records."""
WANDER = 0.5
"""How far a level walks in the training weeks, in amplitudes; no everyday metric stays where it was."""
EVENTS = ("spike", "dip", "missing peak", "level", "drift", "noise", "frozen", "shifted day", "step")
"""In order of their names; a seed mixes all but the last, whose change stays to the end of the stream."""


@dataclass(frozen=True, slots=True)
class Clocked:
    """A stream with its clock; rows [N, 1 + C] are the time in seconds since 1970 and the channels."""

    train: Floats
    test: Floats
    truth: Truth
    """[M] whether a tested row belongs to an event."""


def names() -> list[str]:
    """The streams, by profile and minutes."""
    return [f"{profile}-{minutes}" for profile in PROFILES for minutes in CADENCES]


def generate(name: str, seed: int) -> Clocked:
    """The stream of that name and seed."""
    profile, minutes = name.rsplit("-", 1)
    step = 60 * int(minutes)
    daily = 86_400 // step
    random = np.random.default_rng([seed, *name.encode()])
    times = np.asarray(MONDAY + step * np.arange((DAYS_TRAINED + DAYS_TESTED) * daily), np.float64)
    values = PROFILES[profile](random, times, daily)
    first = DAYS_TRAINED * daily
    values = values + _wander(random, len(values), daily) * _amplitude(values[:first])
    train, test = values[:first], values[first:].copy()
    truth = _plant(test, times[first:], daily, _amplitude(train), random)
    rows = np.column_stack([times, np.concatenate([train, test])])
    return Clocked(rows[:first], rows[first:], truth)


def _plant(values: Floats, times: Floats, daily: int, amplitude: float, random: np.random.Generator) -> Truth:
    """Change `values` [M] in place by one event of each kind, three days apart; which rows belong to them [M]."""
    truth = np.zeros(len(values), bool)
    hour = daily / 24
    order = [*random.permutation(EVENTS[:-1]).tolist(), EVENTS[-1]]
    normal = values.copy()
    peak = int(np.argmax(normal[: 7 * daily].reshape(7, daily).mean(axis=0)))
    for turn, kind in enumerate(order):
        day = 1 + 3 * turn
        at = int((day + random.uniform(0.0, 1.0)) * daily)
        lengths = {"spike": 0.25, "dip": 0.5, "missing peak": 9, "level": 6, "drift": 24, "noise": 6, "frozen": 4}
        length = max(2, round(lengths.get(kind, 24) * hour))
        if kind == "missing peak":
            at = max(0, day * daily + peak - length // 2)
        where = slice(at, at + length)
        span = np.arange(len(values[where]))
        sign = float(random.choice([-1.0, 1.0]))
        if kind == "spike":
            values[where] += 0.45 * amplitude
        elif kind == "dip":
            values[where] -= 0.4 * amplitude
        elif kind == "missing peak":
            low = float(np.quantile(normal, 0.1))
            values[where] = low + 0.15 * (normal[where] - low)
        elif kind == "level":
            values[where] += sign * 0.3 * amplitude
        elif kind == "drift":
            values[where] += sign * 0.5 * amplitude * span / length
        elif kind == "noise":
            values[where] += 0.15 * amplitude * random.normal(size=len(span))
        elif kind == "frozen":
            values[where] = normal[at]
        elif kind == "shifted day":
            late = round(4 * hour)
            values[where] = normal[at - late : at - late + length]
        else:
            values[at:] += sign * 0.3 * amplitude
        truth[where] = True
    return truth


def _amplitude(values: Floats) -> float:
    """Distance of the 5 % and 95 % quantiles."""
    return float(np.ptp(np.quantile(values, (0.05, 0.95))))


def _wander(random: np.random.Generator, count: int, daily: int) -> Floats:
    """[count] a level that walks at random by WANDER in four weeks."""
    return np.asarray(np.cumsum(random.normal(size=count)) * WANDER / np.sqrt(DAYS_TRAINED * daily))


def _noise(random: np.random.Generator, count: int, memory: float) -> Floats:
    """[count] a first-order autoregression of unit variance."""
    from scipy.signal import lfilter

    shocks = random.normal(size=count + 200) * np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], shocks)[200:])


def _memory(daily: int) -> float:
    """Of noise that halves in about half an hour."""
    return float(0.5 ** (48 / daily))


def _web(random: np.random.Generator, times: Floats, daily: int) -> Floats:
    hour, weekend = times / 3600 % 24, (times // 86_400 + 3) % 7 >= 5
    day = np.exp(-(((hour - 11) / 2.8) ** 2)) + 0.9 * np.exp(-(((hour - 19.5) / 2.2) ** 2)) + 0.12
    level = np.where(weekend, 0.55, 1.0) * day
    return np.asarray(
        1000 * level * np.exp(0.06 * _noise(random, len(times), _memory(daily))) + 5 * random.normal(size=len(times))
    )


def _daily(random: np.random.Generator, times: Floats, daily: int) -> Floats:
    phase = 2 * np.pi * (times / 86_400 + random.uniform())
    wave = np.sin(phase) + 0.3 * np.sin(2 * phase + random.uniform(0, 6))
    return np.asarray(
        50 + 10 * wave + 1.2 * _noise(random, len(times), _memory(daily)) + 0.4 * random.normal(size=len(times))
    )


def _burst(random: np.random.Generator, times: Floats, daily: int) -> Floats:
    hour = times / 3600 % 24
    rate = 20 / daily * (0.4 + 1.2 * np.exp(-(((hour - 14) / 4) ** 2)))
    sizes = np.where(random.random(len(times)) < rate, random.pareto(2.2, len(times)) + 0.5, 0.0)
    fading = 0.5 ** np.arange(0, 8)
    bursts = np.convolve(sizes, fading)[: len(times)]
    return np.asarray(10 + 6 * np.exp(-(((hour - 14) / 5) ** 2)) + 6 * bursts + 0.8 * random.normal(size=len(times)))


def _cron(random: np.random.Generator, times: Floats, daily: int) -> Floats:
    minute, hour = times / 60 % 120, times / 3600 % 24
    job = np.where(minute < max(10.0, 1440 / daily), 30.0, 0.0)
    backup = np.where((hour >= 2) & (hour < 3.5), 45.0, 0.0)
    return np.asarray(
        (job + backup) * random.uniform(0.9, 1.1, len(times))
        + 12
        + 1.5 * _noise(random, len(times), 0.7 * _memory(daily))
    )


def _flat(random: np.random.Generator, times: Floats, daily: int) -> Floats:
    heavy = random.standard_t(4, len(times))
    return np.asarray(100 + 5 * _noise(random, len(times), _memory(daily)) + 2 * heavy)


PROFILES: dict[str, Callable[[np.random.Generator, Floats, int], Floats]] = {
    "web": _web,
    "daily": _daily,
    "burst": _burst,
    "cron": _cron,
    "flat": _flat,
}
