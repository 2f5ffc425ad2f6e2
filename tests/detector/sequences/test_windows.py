"""What looks at whole windows: their shape, and how many channels move."""

import numpy as np
import pytest

from latentwatch.detector.sequences.context import PATCHES
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.fitting import calibrate_sequences, fit_sequences
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema


def waves(count: int, seed: int, columns: int = 1) -> Batch:
    """Noisy periods of 48 records, a phase for each column."""
    rng = np.random.default_rng(seed)
    at = np.arange(count)[:, None] / 48 + np.arange(columns) / columns
    values = np.sin(2 * np.pi * at) + 0.5 * np.sin(4 * np.pi * at) + rng.normal(0, 0.05, (count, columns))
    return from_values(values)


def from_values(values: np.ndarray) -> Batch:
    """A batch of one entity."""
    names = [f"x{column}" for column in range(values.shape[1])]
    schema = RecordSchema.model_validate({"features": dict.fromkeys(names, "numeric")})
    return batch_from_columns(schema, dict(zip(names, values.T, strict=True)))


def trained(history: Batch, choice: ModelChoice, window: int) -> SequenceDetector:
    """Fitted and calibrated."""
    return calibrate_sequences(fit_sequences(history, choice, window), history)[0]


def scored(detector: SequenceDetector, batch: Batch):
    """Scores of a batch whose entity starts fresh."""
    encoder = detector.context
    return detector.score(batch, encoder.extend(encoder.fresh([""]), np.zeros(len(batch), np.intp), batch))


@pytest.fixture(scope="module")
def single() -> SequenceDetector:
    """Trained on one column."""
    return trained(waves(2400, 0), ModelChoice(), window=32)


def test_a_single_column_run_backwards_is_strange_as_a_window(single):
    """Values and steps are all usual, their order is not."""
    values = waves(900, 1).numbers.copy()
    values[400:640] = values[400:640][::-1]
    scores = scored(single, from_values(values))
    backwards = np.median(scores.surprise[470:640])
    assert backwards > np.quantile(scores.surprise[100:400], 0.99)


@pytest.mark.parametrize("size", [2.5, -2.5])
def test_a_spike_and_a_shift_of_a_single_column_are_flagged(single, size):
    """One record far off, and a level that stays off."""
    values = waves(900, 2).numbers.copy()
    values[300] += size
    values[500:600] += size / 2
    surprise = scored(single, from_values(values)).surprise
    assert surprise[300] > 2
    assert np.mean(surprise[510:600] > 2) > 0.8


def test_light_effort_keeps_no_windows_and_full_shows_them_to_the_autoencoder():
    """Effort means the same on every record, and costs state where windows are kept."""
    history = waves(600, 4, 6)
    light, balanced, full = (
        trained(history, ModelChoice(effort=effort), window=16) for effort in ("light", "balanced", "full")
    )
    assert "shape" not in light.model.components
    assert light.context.state_size < balanced.context.state_size == full.context.state_size
    assert full.model.components["state"].model.width == balanced.model.components["state"].model.width + PATCHES * 6


def test_activity_counts_channels_and_no_channel_twice():
    """Many channels that move a little more say more than one that goes wild."""
    rng = np.random.default_rng(5)
    quiet = np.cumsum(rng.normal(0, 0.1, (1500, 8)), axis=0) * 0.2 + rng.normal(0, 0.05, (1500, 8))
    detector = trained(from_values(quiet), ModelChoice(), window=16)
    one, all_ = quiet[:400].copy(), quiet[:400].copy()
    one[300:330, 0] += 50 * rng.normal(size=30)
    all_[300:330] += 0.8 * rng.normal(size=(30, 8))
    activity = [
        np.median(scored(detector, from_values(values)).components["activity"][305:330]) for values in (one, all_)
    ]
    assert activity[1] > activity[0]
