"""Eight kinds of sensor streams that nothing in the detector was tuned on, each drawn anew for a seed, with planted faults.

Heartbeats, a service's indicators, a vector autoregression, a machine's cycles, a controlled tank, rare counts, heavy tails,
weather: what normal looks like differs as widely as we could think of. Faults take turns on random channels; how large they are
is measured in a channel's own spread. The same again with every channel on a level that wanders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.quality.cases import Numbers
from benchmarks.quality.datasets import DatasetSplit, Floats
from benchmarks.quality.measuring import exceedances, finite, fitted
from benchmarks.quality.methods import Flags, Method
from benchmarks.quality.metrics import auroc
from benchmarks.quality.vus import period, vus_pr

TRAIN_RECORDS, GAP_RECORDS, TEST_RECORDS = 4_000, 500, 4_500
_DELAY = 15
"""Records by which a lagging channel is late."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream's stretches: normal ones, and the later one again with faults in it."""

    split: DatasetSplit
    normal: Floats
    """The tested stretch without its faults."""


def generate(kind: str, seed: int, wander: float = 0.0) -> Stream:
    """The stream of that kind and seed. Where it wanders, every channel's level walks at random, in the length of the training
    stretch by `wander` times what the channel spreads there otherwise.
    """
    random = np.random.default_rng(100 + seed)
    rows = KINDS[kind](random, TRAIN_RECORDS + GAP_RECORDS + TEST_RECORDS)
    if wander:
        walk = np.cumsum(np.random.default_rng(200 + seed).normal(size=rows.shape), axis=0) / TRAIN_RECORDS**0.5
        rows = rows + wander * rows[:TRAIN_RECORDS].std(axis=0) * walk
    train, normal = rows[:TRAIN_RECORDS], rows[TRAIN_RECORDS + GAP_RECORDS :]
    test, truth = with_faults(normal, train.std(axis=0), random)
    return Stream(DatasetSplit(train, test, truth), normal)


def stream(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """Trained on a normal stretch; ranked on a later one with faults, the promise checked on that without them."""
    del folder
    return _measured(generate(name, seed), method, seed)


def drifting(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """The same where levels wander."""
    del folder
    return _measured(generate(name, seed, wander=1.0), method, seed)


def _measured(generated: Stream, method: Method, seed: int) -> Numbers:
    split = generated.split
    model, seconds = fitted(method, seed, split.train)
    scores = finite(model.strangeness(split.test))
    ours = exceedances(finite(model.strangeness(generated.normal))) if method.group == "ours" else {}
    return {
        "auroc": auroc(split.truth, scores),
        "vus_pr": vus_pr(split.truth, scores, period(split.test[:, 0])),
        **ours,
        "fit_seconds": seconds,
    }


def with_faults(normal: Floats, spread: Floats, random: np.random.Generator) -> tuple[Floats, Flags]:
    """A copy of normal rows [N, C] with a fault of 20 to 90 records every few hundred, and which rows have one [N]."""
    rows, truth = normal.copy(), np.zeros(len(normal), bool)
    begin, turn = 150, 0
    while begin < len(rows) - 200:
        length, channel = int(random.integers(20, 90)), int(random.integers(rows.shape[1]))
        plant = FAULTS[turn % len(FAULTS)]
        length = plant(rows, normal, slice(begin, begin + length), channel, spread[channel] + 1e-9, random) or length
        truth[begin : begin + length] = True
        begin += length + int(random.integers(120, 220))
        turn += 1
    return rows, truth


Fault = Callable[[Floats, Floats, slice, int, float, np.random.Generator], int | None]
"""(rows, normal, where, channel, its spread, random): changes rows in place; the fault's length where it is a shorter one."""


def _shift(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> None:
    rows[at, channel] += random.choice([-2.0, 2.0]) * spread


def _noise(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> None:
    rows[at, channel] += 1.5 * spread * random.normal(size=at.stop - at.start)


def _stuck(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> None:
    rows[at, channel] = normal[at.start, channel]


def _exchange(
    rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator
) -> None:
    other = int(random.integers(rows.shape[1]))
    rows[at, [channel, other]] = normal[at, [other, channel]]


def _spike(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> int:
    rows[at.start : at.start + 2, channel] += 4.0 * spread
    return 2


def _gain(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> None:
    middle = normal[at, channel].mean()
    rows[at, channel] = middle + 1.8 * (normal[at, channel] - middle) + 0.5 * spread


def _lag(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> None:
    rows[at, channel] = normal[at.start - _DELAY : at.stop - _DELAY, channel]


def _faster(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> None:
    rows[at, channel] = normal[at.start : at.start + 2 * (at.stop - at.start) : 2, channel]


def _drift(rows: Floats, normal: Floats, at: slice, channel: int, spread: float, random: np.random.Generator) -> None:
    rows[at, channel] += np.linspace(0.0, 3.0, at.stop - at.start) * spread


FAULTS: tuple[Fault, ...] = (_shift, _noise, _stuck, _exchange, _spike, _gain, _lag, _faster, _drift)


def _heartbeats(random: np.random.Generator, count: int) -> Floats:
    """Two leads of a pulse of about fifty records."""
    phase = np.cumsum((1 + 0.03 * random.normal(size=count)) / 50) % 1

    def bump(place: float, width: float) -> Floats:
        return np.exp(-(((phase - place) / width) ** 2))

    lead = 1.2 * bump(0.3, 0.03) - 0.3 * bump(0.25, 0.03) - 0.25 * bump(0.35, 0.03) + 0.3 * bump(0.6, 0.08)
    return np.stack([lead, 0.7 * lead + 0.2 * np.roll(lead, 2)], axis=1) + 0.03 * random.normal(size=(count, 2))


def _indicators(random: np.random.Generator, count: int) -> Floats:
    """A service's load over days, and what follows from it."""
    day = 2 * np.pi * np.arange(count) / 288
    wander = np.convolve(random.normal(size=count), np.full(12, 0.05), "same")
    load = np.maximum(0.0, 2 + np.sin(day) + 0.4 * np.sin(2 * day) + wander)
    noise = random.normal(size=(count, 4)) * [0.1, 0.05, 0.05, 0.3]
    columns = [
        1.5 * load + noise[:, 0],
        np.sqrt(load) + noise[:, 1],
        random.poisson(3 * load),
        (load > 2.5) + noise[:, 2],
    ]
    return np.stack([load, *columns, noise[:, 3]], axis=1)


def _autoregression(random: np.random.Generator, count: int) -> Floats:
    """Eight channels that drive each other."""
    drive = random.normal(size=(8, 8))
    drive *= 0.85 / np.abs(np.linalg.eigvals(drive)).max()
    rows = random.normal(size=(count, 8))
    for row in range(1, count):
        rows[row] += drive @ rows[row - 1]
    return rows


def _cycles(random: np.random.Generator, count: int) -> Floats:
    """A machine's cycle of 120 records: eight curves, a switch and a step counter."""
    phase = (np.arange(count) % 120) / 120
    curves = [(1 + channel % 3) * np.sin(2 * np.pi * (channel % 4 + 1) * phase + channel) for channel in range(10)]
    curves[7], curves[8] = (phase < 0.3).astype(float), np.floor(5 * phase)
    width = np.full(10, 0.08)
    width[7:9] = 0.0008
    return np.stack(curves, axis=1) + width * random.normal(size=(count, 10))


def _tank(random: np.random.Generator, count: int) -> Floats:
    """Level, inflow, outflow, set point and temperature of a tank whose set point moves now and then."""
    rows = np.empty((count, 5))
    level, wanted = 5.0, 5.0
    for row in range(count):
        if random.random() < 0.002:
            wanted = random.uniform(3, 7)
        inflow = float(np.clip(1 + 0.8 * (wanted - level), 0, 3))
        outflow = 0.45 * max(level, 0.0) ** 0.5
        level += 0.05 * (inflow - outflow) + 0.005 * random.normal()
        rows[row] = level, inflow, outflow, wanted, 20 + 0.3 * inflow
    return rows + random.normal(size=rows.shape) * [0.02, 0.01, 0.01, 0.0, 0.05]


def _counts(random: np.random.Generator, count: int) -> Floats:
    """Six counts, the rarest nearly always zero."""
    season = 0.5 * np.sin(2 * np.pi * np.arange(count) / 500)
    return random.poisson(np.exp(season[:, None] - 0.6 * np.arange(6))).astype(float)


def _heavy_tails(random: np.random.Generator, count: int) -> Floats:
    """Four returns with one factor whose variance comes in clusters."""
    variance = np.ones(count)
    for row in range(1, count):
        variance[row] = 0.05 + variance[row - 1] * (0.9 + 0.05 * random.normal() ** 2)
    factor = np.sqrt(variance) * random.standard_t(5, size=count)
    return factor[:, None] * [1, 0.8, -0.6, 0.5] + 0.4 * random.standard_t(5, size=(count, 4))


def _weather(random: np.random.Generator, count: int) -> Floats:
    """Temperature, humidity, pressure and wind."""
    wander = np.cumsum(0.05 * random.normal(size=count))
    temperature = 10 * np.sin(2 * np.pi * np.arange(count) / 144) + wander - np.linspace(0, wander[-1], count)
    humidity = 60 - 1.5 * temperature + 2 * random.normal(size=count)
    pressure = 1013 + np.convolve(random.normal(size=count), np.full(200, 1 / 14), "same")
    wind = np.abs(np.convolve(random.normal(size=count), np.full(30, 0.2), "same"))
    return np.stack([temperature + 0.2 * random.normal(size=count), humidity, pressure, wind], axis=1)


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "heartbeats": _heartbeats,
    "indicators": _indicators,
    "autoregression": _autoregression,
    "cycles": _cycles,
    "tank": _tank,
    "counts": _counts,
    "heavy tails": _heavy_tails,
    "weather": _weather,
}
