"""Peers that libraries bring: they do not look ahead, and find what they are for.

Not the left matrix profile: stumpy compiles for a minute at its first use.
"""

import numpy as np
import pytest

from benchmarks.quality.baselines import RollingMahalanobis
from benchmarks.quality.clocked import Lagged, RecordThreshold
from benchmarks.quality.streaming_peers import SeasonsOfMstl, metric_methods, telemetry_methods

HOURS = 24 * 21


def _days(count: int = HOURS) -> np.ndarray:
    """[count, 2] hours, and a day with a little noise."""
    times = 3600.0 * np.arange(count)
    day = np.sin(2 * np.pi * times / 86_400) + np.where(times // 3600 % 24 == 9, 2.0, 0.0)
    return np.column_stack([times, day + 0.02 * np.random.default_rng(0).normal(size=count)])


@pytest.fixture(scope="module")
def fitted() -> RecordThreshold:
    """Seasons of two weeks."""
    model = SeasonsOfMstl()
    model.fit(_days()[: 24 * 14])
    return model


def test_peers_do_not_look_ahead(fitted: RecordThreshold):
    """A record's score is the same whether or not later ones follow."""
    rows = _days()[24 * 14 :]
    assert np.allclose(fitted.strangeness(rows)[:60], fitted.strangeness(rows[:60]))


def test_peers_find_a_missing_peak(fitted: RecordThreshold):
    """The hour whose peak is missing is the strangest; normal days stay below it."""
    rows = _days()[24 * 14 :]
    normal = fitted.strangeness(rows)
    missing = rows.copy()
    missing[24 * 3 + 9, 1] -= 2.0
    scores = fitted.strangeness(missing)
    assert scores[24 * 3 + 9] > 2 * np.quantile(normal, 0.95)


def test_one_lag_is_the_row_itself():
    """So that methods of rows score channels beside commands without their time."""
    rows = np.column_stack([60.0 * np.arange(300), np.random.default_rng(1).normal(size=(300, 3))])
    plain, lagged = RollingMahalanobis(1), Lagged(RollingMahalanobis(1), 1)
    plain.fit(rows[:200, 1:])
    lagged.fit(rows[:200])
    assert np.array_equal(lagged.strangeness(rows[200:]), plain.strangeness(rows[200:, 1:]))


def test_names_are_distinct_and_versions_known():
    """What is kept of a measurement is found by the method's name, and holds while its library stays."""
    from importlib.metadata import version

    for methods in (metric_methods(1), telemetry_methods(1)):
        assert len({method.name for method in methods}) == len(methods)
        assert all(version(method.library) for method in methods)
