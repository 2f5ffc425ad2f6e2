"""VUS-PR equals the published definition."""

import numpy as np
import pytest

from benchmarks.quality.vus import DEFAULT_BUFFER, period, segments, vus_pr

# Computed with tsb-ad 1.5 (`generate_curve`, version "opt", 250 thresholds; `find_length_rank`) on `_recorded(seed)`.
RECORDED = [
    (0, 0.39277138039819215, 20),
    (1, 0.6786846300973964, 21),
    (2, 0.35824041160839976, 22),
    (3, 0.1929109655337295, 23),
    (4, 0.6245862826248341, 24),
    (5, 0.4733254419550459, 25),
    (6, 0.2536753081672563, 26),
    (7, 0.49566354200749, 27),
]


def _recorded(seed):
    """Labels, scores, buffer and a periodic series; ties in odd seeds, an anomaly at an end in seeds 5 and 6."""
    random = np.random.default_rng(seed)
    count = int(random.integers(300, 900))
    labels = np.zeros(count, int)
    for _ in range(int(random.integers(1, 6))):
        start = int(random.integers(0, count - 20))
        labels[start : start + int(random.integers(1, 40))] = 1
    if seed == 5:
        labels[:10] = 1
    if seed == 6:
        labels[-12:] = 1
    scores = random.normal(size=count) + 1.5 * np.roll(labels, seed)
    if seed % 2:
        scores = np.round(scores, 1)
    buffer = int(random.integers(0, 60))
    series = np.sin(np.arange(count) * 2 * np.pi / (20 + seed)) + 0.1 * random.normal(size=count)
    return labels > 0, scores, buffer, series


@pytest.mark.parametrize(("seed", "expected", "_"), RECORDED)
def test_equals_the_reference_implementation(seed, expected, _):
    """Recorded values of the reference implementation are met to rounding."""
    labels, scores, buffer, _ = _recorded(seed)
    assert vus_pr(labels, scores, buffer) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("seed", "_", "expected"), RECORDED)
def test_period_equals_the_reference_implementation(seed, _, expected):
    """The buffer is chosen as the reference chooses it."""
    assert period(_recorded(seed)[3]) == expected


def test_perfect_scores_without_a_buffer_have_volume_one():
    """Scores equal to the labels fill the whole area when labels have no slope."""
    labels = np.zeros(200, bool)
    labels[80:120] = True
    assert vus_pr(labels, labels.astype(float), 0) == pytest.approx(1.0)


def test_a_late_alarm_counts_for_more_with_a_buffer():
    """A score that is a few rows late is forgiven by the buffer, not by the hard labels."""
    labels = np.zeros(400, bool)
    labels[100:130] = True
    late = np.roll(labels, 12).astype(float) + np.linspace(0, 1e-6, 400)
    assert vus_pr(labels, late, 60) > vus_pr(labels, late, 0) + 0.02


def test_only_the_order_of_scores_counts():
    """A rising transformation of the scores changes nothing."""
    labels, scores, buffer, _ = _recorded(2)
    assert vus_pr(labels, np.exp(scores), buffer) == pytest.approx(vus_pr(labels, scores, buffer), abs=1e-12)


@pytest.mark.parametrize("value", [False, True])
def test_one_class_alone_is_refused(value):
    """Without both classes there is no precision to speak of."""
    with pytest.raises(ValueError, match="at least one normal and one anomalous"):
        vus_pr(np.full(10, value), np.arange(10.0), 3)


def test_segments_reach_both_ends():
    """Runs at the ends of a series are whole segments."""
    assert segments(np.array([True, True, False, True])).tolist() == [[0, 1], [3, 3]]


def test_a_constant_series_has_the_default_period():
    """A channel that never moves has no period."""
    assert period(np.full(500, 3.0)) == DEFAULT_BUFFER
