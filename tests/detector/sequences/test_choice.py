"""The rule that decides whether records are judged with their past."""

import numpy as np
import pytest

from latentwatch.detector.sequences.choice import WINDOW, choose_window, lag_one_autocorrelation
from latentwatch.detector.sequences.fitting import fit_sequences
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema


def table(numbers: np.ndarray, entities=None) -> Batch:
    """A batch of unnamed columns."""
    schema = RecordSchema.model_validate({"features": {f"x{k}": "numeric" for k in range(numbers.shape[1])}})
    return batch_from_columns(schema, {f"x{k}": column for k, column in enumerate(numbers.T)}, entities=entities)


def smooth(count: int, columns: int, seed: int = 0) -> np.ndarray:
    """Random walks."""
    return np.cumsum(np.random.default_rng(seed).normal(size=(count, columns)), axis=0)


@pytest.mark.parametrize(("count", "columns"), [(400, 8), (5000, 1), (500, 52)])
def test_sensors_get_a_window(count, columns):
    """Long or short, one channel or many: what moves smoothly is a sequence."""
    assert choose_window(table(smooth(count, columns))) == WINDOW


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_records_are_scored_on_their_own(seed):
    """The same values in random order are a table."""
    numbers = smooth(1000, 5, seed)
    shuffled = np.random.default_rng(seed).permutation(numbers)
    assert choose_window(table(shuffled)) == 1


def test_levels_of_entities_are_not_memory():
    """Entities at different levels, one after the other, are still a table when each is noise."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(10.0), 100)[:, None] * 50 + rng.normal(size=(1000, 3))
    assert choose_window(table(numbers, entities=[f"e{k // 100}" for k in range(1000)])) == 1


def test_constant_channels_do_not_decide():
    """Only numbers that move are asked."""
    numbers = np.hstack([smooth(500, 2), np.ones((500, 40))])
    together, _ = lag_one_autocorrelation(table(numbers))
    assert len(together) == 2
    assert choose_window(table(numbers)) == WINDOW


def test_too_few_rows_to_tell():
    """Without evidence a record is scored on its own."""
    assert choose_window(table(smooth(50, 3))) == 1
    assert choose_window(table(np.full((500, 2), np.nan))) == 1


def test_rare_bits_do_not_outvote_the_channel_they_accompany():
    """One smooth channel among dozens of command bits, as on a spacecraft, is a sequence."""
    rng = np.random.default_rng(0)
    numbers = np.hstack([smooth(1000, 1), rng.random((1000, 20)) < 0.02])
    assert choose_window(table(numbers)) == WINDOW


def test_bits_alone_still_decide():
    """Where everything is on or off, long stretches of either are a sequence and coin tosses are not."""
    rng = np.random.default_rng(1)
    stretches = np.repeat(rng.integers(0, 2, (50, 3)), 20, axis=0).astype(float)
    assert choose_window(table(stretches)) == WINDOW
    assert choose_window(table(rng.integers(0, 2, (1000, 3)).astype(float))) == 1


def test_a_quarter_of_smooth_numbers_is_enough():
    """Two smooth temperatures among eight noisy vibrations make a sequence; one among ten does not."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(400, 10))
    noise[:, :3] = smooth(400, 3)
    assert choose_window(table(noise[:, :10])) == WINDOW
    assert choose_window(table(noise[:, 2:])) == 1


def test_records_with_text_are_scored_on_their_own():
    """Text is read record by record only: the rule says so, and an explicit window is refused in words."""
    schema = RecordSchema.model_validate({"features": {"a": "numeric", "note": "text"}})
    smooth = np.sin(np.arange(600) / 20)
    batch = batch_from_columns(schema, {"a": smooth, "note": np.full(600, "all well", object)})
    assert choose_window(batch) == 1
    with pytest.raises(InvalidHistory, match="set 'window: 1', or leave note out"):
        fit_sequences(batch, ModelChoice(), window=32)


def regular(numbers: np.ndarray, bits: np.ndarray, seconds: int = 30) -> Batch:
    """Numbers beside on/off columns that come at a regular pace."""
    names = [*(f"x{k}" for k in range(numbers.shape[1])), *(f"on{k}" for k in range(bits.shape[1]))]
    schema = RecordSchema.model_validate({"time": "at", "features": dict.fromkeys(names, "numeric")})
    columns = dict(zip(names, np.hstack([numbers, bits]).T, strict=True))
    return batch_from_columns(schema, columns, times=np.arange(len(numbers), dtype=np.int64) * seconds * 1_000_000)


def test_at_a_regular_pace_commands_make_a_sequence():
    """Telemetry whose one graded channel is noise: its commands stay as they are for a while, and that is a past."""
    rng = np.random.default_rng(0)
    commands = np.repeat(rng.integers(0, 2, (60, 4)), 20, axis=0).astype(float)
    batch = regular(rng.normal(size=(1200, 1)), commands)
    assert choose_window(batch) == WINDOW
    assert choose_window(table(batch.numbers)) == 1  # without a time nobody knows that they follow one another


@pytest.mark.parametrize("seed", range(3))
def test_a_regular_pace_alone_makes_no_sequence(seed):
    """Noise in every column: the past says nothing, however regular."""
    rng = np.random.default_rng(seed)
    assert choose_window(regular(rng.normal(size=(1200, 3)), rng.integers(0, 2, (1200, 4)).astype(float))) == 1
