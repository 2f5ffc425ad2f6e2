"""The promises a user counts on: the false-alarm rate asked for, anomalies across types, and the guilty feature named."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom

from latentwatch.detector.estimator import LatentDetector

pytestmark = pytest.mark.slow

TRAIN, FRESH = 1_200, 20_000
FEATURES = 6


def _normal(random, count):
    """Three hidden factors, a product between two columns, and noise."""
    factors = random.normal(size=(count, 3))
    mixing = np.random.default_rng(99).normal(size=(3, FEATURES))
    rows = factors @ mixing + 0.3 * random.normal(size=(count, FEATURES))
    rows[:, 5] += 0.5 * rows[:, 0] * rows[:, 1]
    return rows


def _interval(promised, calibrated, fresh):
    """99.8 % interval of the realised count on fresh rows.

    The rate that a threshold taken from n normal rows realises is Beta(k, n + 1 - k) with k = promised (n + 1)
    (Vovk 2012), so the count on fresh rows is beta-binomial.
    """
    alarms = promised * (calibrated + 1)
    spread = betabinom(fresh, alarms, calibrated + 1 - alarms)
    return spread.ppf(0.001) / fresh, spread.ppf(0.999) / fresh


@pytest.fixture(scope="module")
def fitted():
    """The shipped default, trained on normal rows."""
    return LatentDetector().fit(_normal(np.random.default_rng(0), TRAIN))


@pytest.mark.parametrize("surprise", [1.0, 2.0, 3.0])
def test_fresh_normal_rows_are_flagged_as_often_as_promised(fitted, surprise):
    """Of rows it never saw, the share above -log10(rate) is that rate, within what calibration rows can tell."""
    scores = fitted.surprise(_normal(np.random.default_rng(1), FRESH))
    low, high = _interval(10**-surprise, TRAIN, FRESH)
    assert low <= np.mean(scores >= surprise) <= high


def test_predict_keeps_the_rate_it_was_asked_for(fitted):
    """`predict` flags at the constructor's rate, one in a hundred by default."""
    flagged = np.mean(fitted.predict(_normal(np.random.default_rng(2), FRESH)) == -1)
    low, high = _interval(0.01, TRAIN, FRESH)
    assert low <= flagged <= high


def test_rows_unlike_the_rest_are_found(fitted):
    """Rows whose columns are drawn independently have every marginal right and their dependence wrong."""
    random = np.random.default_rng(3)
    normal = _normal(random, 2_000)
    broken = np.stack([random.permutation(column) for column in normal.T], axis=1)
    assert np.mean(fitted.surprise(broken) > np.median(fitted.surprise(normal))) > 0.9


def test_consecutive_samples_keep_the_promise_too():
    """On a stationary sensor stream of its own kind the windowed detector stays near one in a hundred."""
    series = _sensors(np.random.default_rng(4), 9_000)
    model = LatentDetector(window=32).fit(series[:3_000])
    realised = np.mean(model.surprise(series[3_000:]) >= 2.0)
    # Neighbouring rows say the same: 3,000 of them count for about a tenth as many.
    low, high = _interval(0.01, 300, 600)
    assert low <= realised <= high


def _sensors(random, count):
    """Four sensors that follow two slow factors."""
    factors = np.zeros((count, 2))
    for row in range(1, count):
        factors[row] = 0.8 * factors[row - 1] + random.normal(size=2)
    mixing = np.random.default_rng(98).normal(size=(2, 4))
    return factors @ mixing + 0.5 * random.normal(size=(count, 4))


def _mixed(random, count):
    """Each machine has its own pressure, tells its state in words, and runs hot only when its fan is off."""
    machine = random.choice(["press", "mill", "lathe"], count)
    pressure = np.select([machine == "press", machine == "mill"], [8.0, 5.0], 2.0) + 0.4 * random.normal(size=count)
    fan = random.random(count) < 0.5
    temperature = np.where(fan, 40.0, 60.0) + 2.0 * random.normal(size=count)
    return pd.DataFrame({"machine": machine, "pressure": pressure, "fan": fan, "temperature": temperature})


@pytest.mark.parametrize("broken", ["pressure", "temperature"])
def test_an_anomaly_visible_only_across_types_is_found(broken):
    """A number that is normal by itself, but not with the row's category or flag, is surprising."""
    random = np.random.default_rng(5)
    model = LatentDetector().fit(_mixed(random, 1_500))
    normal = _mixed(random, 1_000)
    planted = normal.copy()
    if broken == "pressure":
        planted["pressure"] = np.where(planted["machine"] == "lathe", 8.0, 2.0) + 0.4 * random.normal(size=1_000)
    else:
        planted["temperature"] = np.where(planted["fan"], 60.0, 40.0) + 2.0 * random.normal(size=1_000)
    usual, strange = model.surprise(normal), model.surprise(planted)
    assert np.mean(usual >= 2.0) < 0.03
    assert np.mean(strange >= 2.0) > 0.8


def test_contributions_point_to_the_planted_feature(fitted):
    """A number moved against its dependence on the others is among the two largest contributions, 85 times in 100."""
    random = np.random.default_rng(6)
    rows = _normal(random, 100)
    guilty = random.integers(FEATURES, size=len(rows))
    rows[np.arange(len(rows)), guilty] += random.choice([-6.0, 6.0], len(rows))
    found = 0
    for explanation, column in zip(fitted.explain(rows), guilty, strict=True):
        ranked = sorted(explanation.contributions, key=explanation.contributions.__getitem__, reverse=True)
        found += (
            list(explanation.expected).index(ranked[0]) == column
            or list(explanation.expected).index(ranked[1]) == column
        )
    assert found >= 85


def test_expected_values_are_nearer_to_normal_than_the_planted_ones(fitted):
    """What should have been is closer to the truth than what was measured."""
    random = np.random.default_rng(7)
    truth = _normal(random, 60)
    rows = truth.copy()
    rows[:, 2] += 8.0
    expected = np.array([list(explanation.expected.values())[2] for explanation in fitted.explain(rows)], float)
    assert np.mean(np.abs(expected - truth[:, 2]) < np.abs(rows[:, 2] - truth[:, 2])) > 0.9
