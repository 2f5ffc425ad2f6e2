"""A press: three pressures a second, two temperatures every ten, a vibration; sensors that are off from some second on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

OFF = 6.0
"""By how much T03 stands higher since its recalibration."""


def write_press(
    path: Path, seconds: int, day: int, *, moved: int | None = None, fault: tuple[int, int] | None = None
) -> None:
    """Write a run as CSV: three products in turn; T03 `moved` from that second on for good, and a vibration fault."""
    random = np.random.default_rng(day)
    at = np.arange(seconds)
    level = np.array([1.0, 1.35, 0.8])[at // 600 % 3]
    level = np.convolve(np.pad(level, 30, mode="edge"), np.ones(60) / 60, "valid")[:seconds]
    drift = np.cumsum(random.normal(0, 0.002, seconds))
    load = level + drift - np.linspace(0, drift[-1], seconds)
    warm = np.empty(seconds)
    now = 35 + 20 * load[0]
    for second in range(seconds):
        now += (35 + 20 * load[second] - now) / 300
        warm[second] = now
    columns = {f"P{each:02}": (2 + 0.3 * each) * load + random.normal(0, 0.02, seconds) for each in (1, 2, 3)}
    for number in (1, 3):
        shown = warm * (1 + 0.05 * number) + random.normal(0, 0.1, seconds)
        shown[at % 10 > 0] = np.nan
        columns[f"T{number:02}"] = shown
    columns["vib"] = 1 + 0.5 * load + np.abs(random.normal(0, 0.05, seconds))
    if moved is not None:
        columns["T03"][moved:] += OFF
    if fault is not None:
        columns["vib"][slice(*fault)] += 1.5
    start = datetime(2026, 11, day, 6, tzinfo=UTC)
    times = [(start + timedelta(seconds=int(second))).strftime("%Y-%m-%dT%H:%M:%SZ") for second in at]
    pd.DataFrame({"time": times, **{name: np.round(values, 3) for name, values in columns.items()}}).to_csv(
        path, index=False
    )


MONITOR = """
name: press
source: {file: {path: %s}}
window: 32
record:
  time: time
  features: {P01: numeric, P02: numeric, P03: numeric, T01: numeric, T03: numeric, vib: numeric}
alert: {false_alarm_rate: 0.001}
"""
