"""Verdicts, delay and intervals."""

import numpy as np
import pytest

from benchmarks.quality.metrics import FlagCounts, delay, rate_interval


def test_verdicts_are_pooled_before_rates_are_taken():
    """Counts add up; F1, FAR and MAR follow from the sums."""
    one = FlagCounts.count(np.array([True, True, False, False]), np.array([True, False, True, False]))
    pooled = one + FlagCounts(hits=2, misses=0, false_alarms=0, quiet=4)
    assert pooled == FlagCounts(hits=3, misses=1, false_alarms=1, quiet=5)
    assert pooled.f1 == pytest.approx(6 / 8)
    assert pooled.false_alarm_rate == pytest.approx(1 / 6)
    assert pooled.missed_alarm_rate == pytest.approx(1 / 4)


def test_delay_waits_for_six_flagged_rows_in_a_row():
    """Five flagged rows are noise; the delay is to the first of six."""
    flags = np.zeros(40, bool)
    flags[12:17] = True
    flags[20:26] = True
    assert delay(flags, 10) == 10


def test_an_undetected_fault_costs_every_row_that_remains():
    """Without detection the delay is the rest of the run."""
    assert delay(np.zeros(40, bool), 10) == 30


def test_flags_before_the_onset_do_not_shorten_the_delay():
    """Alarms before the fault are false alarms, not detections."""
    flags = np.zeros(40, bool)
    flags[:10] = True
    assert delay(flags, 10) == 30


def test_the_interval_covers_the_true_rate_as_often_as_it_says():
    """Of many binomial draws at least 95 % have the true rate in their interval."""
    random = np.random.default_rng(3)
    covered = [
        low <= 0.01 <= high for low, high in (rate_interval(k, 2_000) for k in random.binomial(2_000, 0.01, 400))
    ]
    assert np.mean(covered) >= 0.94
