"""Telemetry as spacecraft send it: one channel that answers to commands, beside columns of commands that are rarely 1.

Six channels, a record a minute for five days: a heater's temperature, a valve that is on or off, transients of a pump, an
instrument's modes, the current of several loads on an orbit of 96 minutes, and a switch that hardly ever moves. Of 24 commands six
act on the channel, the others belong to something else. Anomalies are episodes of the channel; the commands stay as they were.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.signal import lfilter

from benchmarks.quality import clocked
from benchmarks.quality.cases import Numbers
from benchmarks.quality.datasets import Floats, Truth
from benchmarks.quality.everyday import MONDAY, Clocked
from benchmarks.quality.methods import Method

TRAIN_RECORDS, TEST_RECORDS = 3_000, 4_500
COMMANDS = 24
SECONDS = 60.0
EPISODES = ("ignored", "unasked", "frozen", "weak", "noise", "drift", "late")
"""Commands without an answer, an answer without a command, a value that stays, half of an answer, an unsteady channel, one that
leaves slowly, answers eight records late."""
_LATE = 8
_APART = 600
"""Records from one episode to the next."""
_PAIRS = ((30.0, 50.0), (60.0, 90.0), (300.0, 500.0))
"""Mean records for which what a pair of commands turns on stays on, and then off."""

Answer: TypeAlias = Callable[[Floats], Floats]
"""Commands [N, COMMANDS], 0 or 1 -> the channel [N]; its noise is the same at each call."""


def names() -> list[str]:
    """The channels."""
    return [*CHANNELS]


def generate(name: str, seed: int) -> Clocked:
    """The channel of that name, drawn anew for a seed, beside its commands."""
    random = np.random.default_rng([seed, *name.encode()])
    count = TRAIN_RECORDS + TEST_RECORDS
    commands = _commands(random, count)
    answer = CHANNELS[name](random, count)
    values, truth = _with_episodes(answer, commands, random)
    rows = np.column_stack([MONDAY + SECONDS * np.arange(count), values, commands])
    return Clocked(rows[:TRAIN_RECORDS], rows[TRAIN_RECORDS:], truth[TRAIN_RECORDS:])


def channel(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One channel."""
    del folder
    return clocked.measure(generate(name, seed), method, seed)


def _commands(random: np.random.Generator, count: int) -> Floats:
    """[count, COMMANDS] pairs that turn something on and off, then others, some of which follow each other."""
    commands = np.zeros((count, COMMANDS))
    for pair, lengths in enumerate(_PAIRS):
        at, turn = int(random.integers(10, 60)), 0
        while at < count:
            commands[at, 2 * pair + turn % 2] = 1.0
            at += 3 + round(random.exponential(lengths[turn % 2]))
            turn += 1
    for other in range(2 * len(_PAIRS), COMMANDS):
        if other % 3 == 2:
            commands[2:, other] = commands[:-2, other - 1]
        else:
            commands[:, other] = random.random(count) < random.uniform(0.001, 0.02)
    return commands


def _with_episodes(answer: Answer, commands: Floats, random: np.random.Generator) -> tuple[Floats, Truth]:
    """The channel [N] with episodes of all kinds in turn after the training records, and which records they changed [N]."""
    normal = answer(commands)
    values, truth = normal.copy(), np.zeros(len(normal), bool)
    spread = float(np.ptp(np.quantile(normal[:TRAIN_RECORDS], (0.02, 0.98))))
    for turn, kind in enumerate(random.permutation(EPISODES).tolist()):
        begin = TRAIN_RECORDS + 150 + _APART * turn + int(random.integers(0, 200))
        where = slice(begin, begin + int(random.integers(60, 160)))
        changed = _changed(kind, answer, commands, where, spread, random)
        off = where.start + np.flatnonzero(np.abs(changed - normal[where]) > 0.05 * spread)
        if len(off):
            episode = slice(off[0], off[-1] + 1)
            values[episode] = changed[episode.start - where.start : episode.stop - where.start]
            truth[episode] = True
    return values, truth


def _changed(
    kind: str, answer: Answer, commands: Floats, where: slice, spread: float, random: np.random.Generator
) -> Floats:
    """[n] what the channel shows there in an episode of that kind."""
    normal, length = answer(commands)[where], where.stop - where.start
    obeyed = commands.copy()
    if kind in ("ignored", "weak"):
        obeyed[where] = 0.0
    elif kind == "unasked":
        obeyed[where.start : where.stop : 25, [0, 4]] = 1.0
        obeyed[where.start + 12 : where.stop : 25, [1, 5]] = 1.0
    elif kind == "late":
        obeyed[where] = commands[where.start - _LATE : where.stop - _LATE]
    told = answer(obeyed)[where]
    if kind == "weak":
        return np.asarray((told + normal) / 2)
    if kind == "frozen":
        return np.full(length, normal[0])
    if kind == "noise":
        return np.asarray(normal + 0.15 * spread * random.normal(size=length))
    if kind == "drift":
        return np.asarray(normal + 0.5 * spread * np.linspace(0.0, 1.0, length))
    return told


def _is_on(commands: Floats, pair: int) -> Floats:
    """[N] 1 from the first command of a pair to its second, else 0."""
    told = commands[:, 2 * pair] - commands[:, 2 * pair + 1]
    last = np.maximum.accumulate(np.where(told != 0, np.arange(len(told)), 0))
    return np.maximum(told[last], 0.0)


def _heater(random: np.random.Generator, count: int) -> Answer:
    noise = 0.02 * random.normal(size=count)
    return lambda commands: lfilter([0.06], [1.0, -0.94], _is_on(commands, 0)) + noise


def _valve(random: np.random.Generator, count: int) -> Answer:
    del random, count
    return lambda commands: _is_on(commands, 1)


def _pump(random: np.random.Generator, count: int) -> Answer:
    noise = 0.03 * random.normal(size=count)
    return lambda commands: lfilter([1.0], [1.0, -0.85], commands[:, 0] + 0.6 * commands[:, 2]) + noise


def _modes(random: np.random.Generator, count: int) -> Answer:
    del random, count
    return lambda commands: 0.5 * _is_on(commands, 0) + 0.3 * _is_on(commands, 1)


def _loads(random: np.random.Generator, count: int) -> Answer:
    orbit = 0.2 * np.sin(2 * np.pi * (np.arange(count) / 96 + random.uniform()))
    noise = orbit + 0.03 * random.normal(size=count)
    return lambda commands: 0.6 * _is_on(commands, 0) + 0.4 * _is_on(commands, 1) + noise


def _switch(random: np.random.Generator, count: int) -> Answer:
    noise = 0.01 * random.normal(size=count)
    return lambda commands: _is_on(commands, 2) + noise


CHANNELS: dict[str, Callable[[np.random.Generator, int], Answer]] = {
    "heater": _heater,
    "valve": _valve,
    "pump": _pump,
    "modes": _modes,
    "loads": _loads,
    "switch": _switch,
}
