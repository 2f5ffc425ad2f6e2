"""What scoring normal traffic costs: microseconds a row, one thread, and the memory of a process that does only that."""

import resource
from pathlib import Path

import numpy as np

from benchmarks.quality.cases import Numbers
from benchmarks.quality.datasets import Floats
from benchmarks.quality.measuring import fitted
from benchmarks.quality.methods import Method
from benchmarks.quality.stopwatch import Stopwatch

FEATURES = 20
TRAIN_ROWS = 10_000
BATCH_ROWS = 1_024
BATCHES = 60
SINGLES = 300
CLUSTERS = 6
FACTORS = 5
SAMPLES = "consecutive samples"
DATASETS = ("rows", SAMPLES)


def traffic(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """Fit on normal traffic of 20 features, then score more of it, in batches of 1,024 and one record at a time."""
    del folder
    rows = _normal_traffic(seed, TRAIN_ROWS + BATCH_ROWS * BATCHES, in_time=name == SAMPLES)
    model, seconds = fitted(method, seed, rows[:TRAIN_ROWS])
    fresh = rows[TRAIN_ROWS:].reshape(BATCHES, BATCH_ROWS, FEATURES)
    model.strangeness(fresh[0])
    elapsed = []
    for batch in fresh:
        with Stopwatch() as watch:
            model.strangeness(batch)
        elapsed.append(watch.seconds)
    singles = []
    for row in fresh[1, :SINGLES]:
        with Stopwatch() as watch:
            model.strangeness(row[None])
        singles.append(watch.seconds)
    return {
        "microseconds_per_row": float(np.mean(elapsed)) / BATCH_ROWS * 1e6,
        "rows_per_second": BATCH_ROWS / float(np.mean(elapsed)),
        "microseconds_single": float(np.median(singles)) * 1e6,
        "fit_seconds": seconds,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _normal_traffic(seed: int, count: int, in_time: bool) -> Floats:
    """[count, FEATURES] a few operating points, correlated features, noise; neighbouring rows alike if `in_time`."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(CLUSTERS, FEATURES))
    mixing = random.normal(size=(FACTORS, FEATURES)) / np.sqrt(FACTORS)
    if in_time:
        owners = np.repeat(random.integers(CLUSTERS, size=count // 500 + 1), 500)[:count]
        steps = random.normal(size=(count, FACTORS)) * np.sqrt(1 - 0.95**2)
        factors = np.empty_like(steps)
        state = np.zeros(FACTORS)
        for row in range(count):
            state = 0.95 * state + steps[row]
            factors[row] = state
    else:
        owners = random.integers(CLUSTERS, size=count)
        factors = random.normal(size=(count, FACTORS))
    return np.asarray(centres[owners] + factors @ mixing + 0.3 * random.normal(size=(count, FEATURES)))
