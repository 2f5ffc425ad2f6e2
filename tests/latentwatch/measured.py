"""What two machines measure from tick to tick, for samples of all shapes."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

TICKS = 400
START = datetime(2026, 9, 14, tzinfo=UTC)
HOSTS = ("web1", "web2")

_RNG = np.random.default_rng(17)
_NOISE = _RNG.normal(0, 1, (TICKS, 2, 4))


def level(tick: int, machine: int = 0, of: int = 0) -> float:
    """What a machine measures at a tick."""
    wave = 5 * np.sin(tick / 11 + of) + (20, 400, 3, 60)[of] + 2 * machine
    return round(float(wave + _NOISE[tick, machine, of]), 2)


def at(tick: int, seconds: int = 60) -> datetime:
    """When a tick is."""
    return START + timedelta(seconds=seconds * tick)


def epoch(tick: int) -> int:
    """When, in seconds since 1970."""
    return int(at(tick).timestamp())


def iso(tick: int) -> str:
    """When, as ISO 8601."""
    return at(tick).strftime("%Y-%m-%dT%H:%M:%SZ")


def lines(messages: Iterable[Any]) -> str:
    """Messages as JSON lines."""
    return "".join(json.dumps(message) + "\n" for message in messages)


def each() -> Iterable[tuple[int, int, str]]:
    """Every tick, machine and host."""
    return ((tick, machine, host) for tick in range(TICKS) for machine, host in enumerate(HOSTS))
