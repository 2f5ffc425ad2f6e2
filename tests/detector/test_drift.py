"""A broken promise is noticed, a kept one is left alone, and a slow threshold follows a drift but not an anomaly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentwatch.detector.drift import PromiseState, recalibrated, watch


def calibrated(count: int, seed: int = 0) -> np.ndarray:
    """Surprises whose p-values are uniform."""
    return -np.log10(np.random.default_rng(seed).random(count)).astype(np.float32)


def test_calibrated_scores_keep_the_promise():
    """Over 50 long streams the alarm stays quiet."""
    assert not any(watch(PromiseState(), calibrated(5000, seed)).broken for seed in range(50))


def test_autocorrelated_scores_keep_the_promise():
    """Twenty neighbours that say the same count as one, so that waves of a sensor are no drift."""
    waves = [np.repeat(calibrated(1000, seed), 20) for seed in range(20)]
    assert not any(watch(PromiseState(), wave).broken for wave in waves)


@pytest.mark.parametrize(("shift", "records"), [(0.3, 5000), (0.5, 1600), (1.0, 620)])
def test_a_lasting_shift_is_noticed(shift, records):
    """Surprises that are all too high break the promise, the sooner the higher."""
    state = watch(PromiseState(), calibrated(3000))
    state = watch(state, calibrated(records, 1) + np.float32(shift))
    assert state.broken
    assert "recalibrate" in state.verdict


def test_an_anomaly_that_passes_does_not_break_the_promise():
    """Five hundred records, however strange, are an alert and no drift."""
    surprises = calibrated(2000)
    surprises[1000:1500] = 9.0
    assert not watch(PromiseState(), surprises[:1500]).broken


def test_what_goes_away_is_forgiven():
    """When a long drift ends, the promise is called kept again within some hundred calm records."""
    broken = watch(PromiseState(), calibrated(50_000) + np.float32(2.0))
    assert broken.broken
    assert not watch(broken, calibrated(2000, 1)).broken


def test_what_is_not_a_number_is_left_out():
    """A record without a score says nothing of the promise."""
    state = watch(PromiseState(), np.full(5000, np.nan, np.float32))
    assert state == PromiseState()


@settings(max_examples=25)
@given(cut=st.integers(0, 500))
def test_the_state_goes_on_where_it_stopped(cut):
    """Reading a stream in two pieces is reading it at once."""
    surprises = calibrated(500)
    assert watch(watch(PromiseState(), surprises[:cut]), surprises[cut:]) == watch(PromiseState(), surprises)


def test_a_new_model_starts_again():
    """What the old one lost does not count."""
    assert recalibrated().verdict == "too early to tell"
    assert watch(recalibrated(), calibrated(10)).verdict == "the promise holds"
