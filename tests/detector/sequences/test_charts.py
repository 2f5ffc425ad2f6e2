"""Charts bring out what is small and lasts, let go of what is over, and notice a sensor that stands still."""

from dataclasses import replace

import numpy as np
import pytest

from latentwatch.detector.sequences.charts import BLOCKS_KEPT, Charts, Readings, fit_charts

ROWS = 3_000


def readings(z: np.ndarray) -> Readings:
    """Records of one entity, from its first on."""
    filled = np.nan_to_num(z).astype(np.float32)
    return Readings(z.astype(np.float32), filled, np.zeros(len(z), np.int64), np.arange(len(z)))


def coupled(seed: int, count: int = ROWS) -> np.ndarray:
    """Three channels of one slow cause, each with noise of its own."""
    rng = np.random.default_rng(seed)
    cause = np.convolve(rng.normal(size=count + 50), np.ones(51) / 7, "valid")
    return cause[:, None] * [1.0, -0.8, 0.5] + 0.3 * rng.normal(size=(count, 3))


def kept(charts: Charts, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Charts and repeats of records of an entity never seen."""
    return charts.extend(np.zeros((1, BLOCKS_KEPT * z.shape[1]), np.float32), 0, readings(z))[:2]


@pytest.fixture(scope="module")
def charts() -> Charts:
    """Learned from normal records."""
    return fit_charts(readings(coupled(0)), np.arange(ROWS) * 3 // ROWS, np.ones(ROWS, bool))[0]


def test_fresh_normal_records_have_charts_of_size_one(charts):
    """What is learned on blocks that were not seen holds for records of another day."""
    shown, _ = kept(charts, coupled(1))
    assert np.allclose(np.sqrt((shown**2).mean(axis=0)), 1.0, atol=0.25)


def test_a_small_break_of_relations_adds_up(charts):
    """An offset of one standard deviation of the noise is far off after some records, though no single one is."""
    z = coupled(2)
    z[1000:1200, 1] += 0.3
    shown, _ = kept(charts, z)
    assert np.abs(shown[1030:1200, 1]).mean() > 2.5
    assert np.abs(shown[1030:1200]).argmax(axis=1).tolist().count(1) > 150


def test_a_large_break_is_over_when_it_ends(charts):
    """A chart follows what is large at once, in and out, where a plain average would remember it."""
    z = coupled(3)
    z[1000:1200, 0] += 4.0
    shown, _ = kept(charts, z)
    largest = np.abs(shown).max(axis=1)
    assert np.median(largest[1202:1212]) < 0.35 * np.median(largest[1010:1200])


def test_standing_still_counts_beyond_the_longest_in_training(charts):
    """The same number again and again, gaps between, is more than ever; coarse channels may stand still."""
    z = coupled(4)
    z[100:110, 2] = z[100, 2]
    z[105, 2] = np.nan
    _, repeats = kept(charts, z)
    still = charts.standstill(repeats, np.zeros_like(repeats))
    assert repeats[99:111, 2].tolist() == [0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 0]
    assert (np.diff(still[100:105]) > 0).all()
    assert still[120:].max() == 0.0
    coarse = np.round(coupled(5))
    learned, _, _ = fit_charts(readings(coarse), np.arange(ROWS) * 3 // ROWS, np.ones(ROWS, bool))
    assert (learned.longest == -1).all()


def test_a_sensor_that_falls_silent_counts_beyond_the_widest_gap_in_training():
    """Single gaps mean nothing, and gaps as wide as training knows neither; a channel missing for good is ever stranger."""
    history = coupled(7)
    history[np.random.default_rng(0).random(history.shape) < 0.01] = np.nan
    history[500:504, 1] = np.nan
    learned, _, _ = fit_charts(readings(history), np.arange(ROWS) * 3 // ROWS, np.ones(ROWS, bool))
    z = coupled(8)
    z[50, 0] = z[100:104, 1] = z[1000:, 2] = np.nan
    _, *lengths = learned.extend(np.zeros((1, BLOCKS_KEPT * 3), np.float32), 0, readings(z))
    still = learned.standstill(*lengths)
    assert learned.widest.tolist()[1] == 4.0
    assert still[:1000].max() == 0.0
    assert (np.diff(still[1005:1100]) > 0).all()
    assert still[1100] > 3.0


def test_a_constant_channel_has_no_chart():
    """What never moves predicts nothing and is predicted by nothing."""
    z = np.hstack([coupled(6), np.zeros((ROWS, 1))])
    learned, out_of_fold, still = fit_charts(readings(z), np.arange(ROWS) * 3 // ROWS, np.ones(ROWS, bool))
    assert not learned.weights[3].any()
    assert not learned.weights[:, 3].any()
    assert learned.size[3] == 0.0
    assert np.isfinite(out_of_fold).all()
    assert np.isfinite(still).all()


def test_charts_of_other_channels_are_refused(charts):
    """Arrays of another number of channels make no charts."""
    again = Charts.from_bundle(charts.arrays(), 3)
    np.testing.assert_array_equal(again.weights, charts.weights)
    with pytest.raises(ValueError, match="charts do not fit"):
        Charts.from_bundle(replace(charts, size=np.ones(4, np.float32)).arrays(), 3)
