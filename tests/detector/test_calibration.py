"""Surprise is calibrated, monotone and finite, whatever the sample."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentwatch.detector.calibration import Calibration, fit_calibration
from latentwatch.domain.errors import BundleRefused, InvalidHistory

FINITE = st.floats(-1e6, 1e6, allow_nan=False, width=32)


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("draw", ["normal", "exponential", "standard_t"])
def test_realised_rates_match_the_promise(draw, smooth):
    """On fresh draws one in ten reaches 1, one in a hundred 2, and about one in a thousand 3."""
    random = np.random.default_rng(1)
    sample = {"normal": random.normal, "exponential": random.exponential, "standard_t": random.standard_t}[draw]
    more = {"standard_t": (5,)}.get(draw, ())
    rates = []
    for _ in range(20):
        calibration = fit_calibration(sample(*more, size=3_000), smooth=smooth)
        surprise = calibration.surprise(sample(*more, size=20_000))
        rates.append([(surprise >= level).mean() for level in (1.0, 2.0, 3.0)])
    tenth, hundredth, thousandth = np.mean(rates, axis=0)
    assert 0.095 < tenth < 0.105
    assert 0.009 < hundredth < 0.0115
    assert 0.0004 < thousandth < 0.0018


@given(st.lists(FINITE, min_size=1, max_size=60), st.lists(FINITE, min_size=2, max_size=60), st.booleans())
@settings(max_examples=120)
def test_surprise_never_turns_an_order_round(sample, scores, smooth):
    """A larger anomaly score never gets a smaller surprise; surprises are finite and not negative."""
    surprise = fit_calibration(np.array(sample), smooth=smooth).surprise(np.sort(np.array(scores)))
    assert np.isfinite(surprise).all()
    assert (surprise >= 0).all()
    assert (np.diff(surprise) >= 0).all()


@given(st.lists(FINITE, min_size=5, max_size=60, unique=True), st.floats(0.05, 6.0), st.booleans())
@settings(max_examples=120)
def test_anomaly_score_inverts_surprise(sample, level, smooth):
    """The anomaly score of a surprise is where the surprise is reached."""
    calibration = fit_calibration(np.array(sample), smooth=smooth)
    score = calibration.anomaly_score(level)
    above = calibration.surprise(np.array([score + 1e-6 * max(1.0, abs(score))]))[0]
    assert above >= level - 1e-3


def test_what_lies_beyond_the_sample_is_marked():
    """Only anomaly scores beyond the largest of the sample are extrapolated, and they keep growing."""
    calibration = fit_calibration(np.arange(1000.0))
    scores = np.array([10.0, 999.0, 1000.0, 2000.0])
    assert calibration.extrapolated(scores).tolist() == [False, False, True, True]
    assert (np.diff(calibration.surprise(scores)) > 0).all()


def test_a_common_value_is_not_surprising():
    """Anomaly scores that many normal records share flag none of them."""
    random = np.random.default_rng(0)
    calibration = fit_calibration(random.integers(0, 3, 5_000).astype(float))
    assert calibration.surprise(np.array([0.0, 1.0, 2.0])).max() < 1.0
    assert calibration.surprise(np.array([3.0]))[0] > 3.0


def test_an_empty_sample_is_refused():
    """Without a finite anomaly score there is nothing to calibrate on."""
    with pytest.raises(InvalidHistory, match="train on more records"):
        fit_calibration(np.array([np.nan]))


def test_a_sample_that_ends_abruptly_is_followed_to_its_end():
    """Where the largest anomaly scores lie close together a smooth tail promises too much; a composite's keeps its promise."""
    random = np.random.default_rng(3)
    rates = []
    for _ in range(10):
        sample, fresh = random.beta(1, 3, 20_000), random.beta(1, 3, 200_000)
        calibrations = (fit_calibration(sample), fit_calibration(sample, smooth=False))
        rates.append([[(each.surprise(fresh) >= level).mean() for level in (2.0, 3.0)] for each in calibrations])
    (_, smooth_thousandth), (hundredth, thousandth) = np.mean(rates, axis=0)
    assert smooth_thousandth < 0.0005 < thousandth
    assert 0.0008 < thousandth < 0.0012
    assert 0.009 < hundredth < 0.011


def test_a_promise_bends_where_the_sample_can_tell_no_more():
    """Up to 1 / (N + 1) as steep as the largest records; beyond, without a corner, ever flatter: p like distance^-2."""
    sample = np.random.default_rng(5).uniform(0.0, 1.0, 9_999)
    calibration = fit_calibration(sample, smooth=False)
    scale, bend = calibration.tail.scale, calibration.anomaly_score(4.0)

    def rise(first: float, last: float) -> float:
        low, high = calibration.surprise(np.array([first, last])).astype(float)
        return (high - low) / (last - first) * scale * np.log(10.0)

    assert abs(bend - sample.max()) < 3 * scale
    assert abs(rise(bend - 0.5 * scale, bend - 0.01 * scale) - 1.0) < 1e-3
    assert abs(rise(bend, bend + 0.01 * scale) - 1.0) < 0.01
    afar = calibration.surprise(bend + scale * np.array([1_000.0, 10_000.0]))
    assert abs(np.diff(afar)[0] - 2.0) < 0.01
    assert 9.0 < afar[0] < 10.0


def test_what_is_smooth_does_not_bend():
    """What a component counts for is one tail, however far out."""
    calibration = fit_calibration(np.random.default_rng(5).uniform(0.0, 1.0, 9_999))
    tail = calibration.tail
    assert tail.far_shape == tail.shape
    assert calibration.pieces[0].tolist() == calibration.pieces[1].tolist()


@pytest.mark.parametrize("smooth", [True, False])
def test_a_bundle_gives_the_same_surprises(smooth):
    """Far out as well; one of format 3 knows no bend and gives what it gave."""
    calibration = fit_calibration(np.random.default_rng(6).gamma(3.0, size=2_000), smooth=smooth)
    scores = np.linspace(-1.0, 60.0, 500)
    document = json.loads(json.dumps(calibration.meta()))
    again = Calibration.from_bundle(calibration.arrays(), document)
    assert (again.surprise(scores) == calibration.surprise(scores)).all()
    del document["tail"]["far_shape"]
    older = Calibration.from_bundle(calibration.arrays(), document)
    inside = scores < calibration.pieces[1, 0]
    assert older.tail.far_shape == older.tail.shape
    assert (older.surprise(scores) == calibration.surprise(scores))[inside].all()
    assert (older.surprise(scores[-1:]) > calibration.surprise(scores[-1:])).all() != smooth


@pytest.mark.parametrize(
    "damage", [{"scale": 0.0}, {"share": 1.5}, {"shape": 0.6}, {"far_shape": 0.6}, {"shape": -0.1}]
)
def test_an_impossible_tail_is_refused(damage):
    """A tail that is no probability makes no calibration, nor does a sample of nothing."""
    calibration = fit_calibration(np.arange(50.0), smooth=False)
    meta = calibration.meta()
    with pytest.raises(BundleRefused, match="not a probability"):
        Calibration.from_bundle(calibration.arrays(), {**meta, "tail": {**meta["tail"], **damage}})
    with pytest.raises(BundleRefused, match="not a probability"):
        Calibration.from_bundle(calibration.arrays(), {**meta, "count": 0})


def test_damaged_knots_are_refused():
    """Knots that do not increase make no calibration."""
    calibration = fit_calibration(np.arange(50.0))
    with pytest.raises(BundleRefused, match="do not increase"):
        Calibration.from_bundle({"knots": calibration.knots[:, ::-1]}, calibration.meta())
