"""A metric with a day in it, every half hour, and a detector that was trained on five weeks of it."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from latentwatch.detector.forecasts.detector import ForecastDetector
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema

MONDAY = 1_772_409_600_000_000
"""2 March 2026, midnight UTC, microseconds."""
DAILY = 48


def load(days: float, seed: int, start: int = 0) -> np.ndarray:
    """Half-hourly values from day `start` on: a broad peak at 15:00 UTC, a night, noise that remembers an hour."""
    random = np.random.default_rng(seed)
    rows = np.arange(round(start * DAILY), round((start + days) * DAILY))
    hour = rows % DAILY / 2
    noise = random.normal(size=len(rows))
    noise[1:] += 0.5 * noise[:-1]
    return np.asarray(100 + 60 * np.exp(-(((hour - 15) / 3.5) ** 2)) + 4 * noise)


def metric(values: Mapping[str, np.ndarray] | np.ndarray, start: int = 0, minutes: float = 30.0) -> Batch:
    """A batch of one entity's metrics from day `start` on."""
    columns = values if isinstance(values, Mapping) else {"load": values}
    schema = RecordSchema.model_validate({"time": "at", "features": dict.fromkeys(columns, "numeric")})
    count = len(next(iter(columns.values())))
    times = MONDAY + start * 86_400_000_000 + (np.arange(count) * minutes * 60e6).astype(np.int64)
    return batch_from_columns(schema, columns, times=times)


@pytest.fixture(scope="session")
def detector() -> ForecastDetector:
    """Trained on five weeks."""
    torch.set_num_threads(1)
    trained = learn(metric(load(35, seed=1)), ModelChoice(effort="light"), 32)
    assert isinstance(trained, ForecastDetector)
    return trained
