"""One trained sequence detector for every test of the room."""

from datetime import UTC, datetime

import pytest
import torch

from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch
from latentwatch.plant import Plant

PLANT = Plant(seed=7, rigs=2, period_seconds=30)


@pytest.fixture(scope="session")
def history() -> Batch:
    """A day and a half of normal operation."""
    return PLANT.history(datetime(2026, 1, 1, tzinfo=UTC), 3000)


@pytest.fixture(scope="session")
def holdout() -> Batch:
    """Normal operation that no detector has seen."""
    return PLANT.history(datetime(2026, 1, 4, tzinfo=UTC), 3000)


@pytest.fixture(scope="session")
def detector(history) -> SequenceDetector:
    """Trained on the history."""
    torch.set_num_threads(1)
    return learn(history, ModelChoice(), window=32)
