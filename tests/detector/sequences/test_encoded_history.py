"""Training reads its history once, and what it read is what serving reads."""

import numpy as np
import pytest

from latentwatch.detector.bundle import encode_bundle, load_fitted, save_bundle
from latentwatch.detector.sequences import encoded_history
from latentwatch.detector.sequences.channels import fit_channels
from latentwatch.detector.sequences.context import encode, fit_context
from latentwatch.detector.sequences.encoded_history import learn_charts, read_again
from latentwatch.detector.sequences.fitting import FittedSequences, calibrate_sequences, fit_sequences
from latentwatch.domain.model_choice import ModelChoice

CHOICE = ModelChoice(effort="light", follow_drift=False)


def test_a_history_is_read_once_to_fit_and_to_calibrate(history, monkeypatch):
    """Calibration takes what fitting read, where both happen in one process."""
    read = []

    def counted(context, batch):
        read.append(len(batch))
        return encode(context, batch)

    monkeypatch.setattr(encoded_history, "encode", counted)
    calibrate_sequences(fit_sequences(history, CHOICE, window=16), history)
    assert read == [len(history)]


def test_a_model_put_aside_is_calibrated_to_the_same_bundle(history, tmp_path):
    """Another process reads the history again, and finds the same."""
    fitted = fit_sequences(history, CHOICE, window=16)
    aside = load_fitted(str(tmp_path), save_bundle(fitted, str(tmp_path)))
    assert isinstance(aside, FittedSequences)
    assert aside.encoded is None
    here, there = (calibrate_sequences(each, history)[0] for each in (fitted, aside))
    assert encode_bundle(here)[0] == encode_bundle(there)[0]


@pytest.mark.parametrize("records", [40, 600])
def test_rows_hold_what_serving_will_read(history, records):
    """Charts that were learned after the rows were read stand in them as the context will tell them."""
    some = history.take(slice(0, records))
    channels = fit_channels(some)
    untold = fit_context(channels, some, 16)
    learned = learn_charts(untold, some)
    again = read_again(learned.context, some)
    assert np.array_equal(learned.rows.features, encode(learned.context, some).features)
    assert np.array_equal(learned.rows.features, again.rows.features)
    assert np.array_equal(learned.standstill, again.standstill)
