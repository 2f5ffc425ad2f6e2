"""How far a number lies from what the rest of its row predicts."""

import numpy as np
import pytest

from latentwatch.detector.components.met_rows import ROW_FOLDS, LearnedRows, Met, NormalRows
from latentwatch.detector.components.predicted_numbers import PredictedNumbers
from latentwatch.detector.neighbours import build_memory
from latentwatch.domain.model_choice import ModelChoice

LEVELS = np.array([3.0, 4.0, 6.0])
"""Mean logarithm of the amount in three groups."""
OWNERS = np.array([0, 1, 1, 1])
"""An amount, and the group that it belongs to, a column each."""


def _rows(count, seed):
    """Rows [N, 4], and how many spreads of its group the logarithm of each amount lies from the group's mean."""
    random = np.random.default_rng(seed)
    group, off = random.integers(3, size=count), random.normal(size=count)
    return _payments(group, off), off


def _payments(group, off):
    amounts = np.exp(LEVELS[group] + 0.5 * off) / 100
    return np.column_stack([amounts, np.eye(3)[group]]).astype(np.float32)


def _met(values, present=None):
    """Rows as the component looks at them, which asks for no neighbours."""
    there = np.ones((1, values.shape[1]), np.float32) if present is None else present
    none = np.zeros((len(values), 0), np.float32)
    return Met(values, there, none, none.astype(np.int64), np.zeros(len(values), bool))


def _learned(values, owners=OWNERS):
    memory, _ = build_memory(values, 0)
    normal = NormalRows(memory, 1e-3, np.ones(values.shape[1], np.float32), owners)
    return LearnedRows(_met(values), normal, np.full(len(values), -1), np.arange(len(values)) % ROW_FOLDS)


def _ignore(_step, _share):
    pass


@pytest.fixture(scope="module")
def learned():
    return _learned(_rows(3_000, 0)[0])


@pytest.fixture(scope="module")
def fitted(learned):
    return PredictedNumbers().fit(learned, ModelChoice(), _ignore)


def test_an_amount_is_strange_where_its_own_group_never_has_it(fitted):
    """One that is usual in the largest group is strange in the smallest, and not strange in its own."""
    in_large, in_small = _payments(np.array([2]), np.array([0.0])), _payments(np.array([0]), np.array([6.0]))
    assert in_large[0, 0] == pytest.approx(in_small[0, 0])
    assert fitted.anomaly_scores(_met(in_large))["predicted"][0] == 0
    assert fitted.anomaly_scores(_met(in_small))["predicted"][0] > 0.5


def test_both_sides_count(fitted):
    """Less than the group ever has is as strange as more."""
    small = _payments(np.array([2]), np.array([-6.0]))
    assert fitted.anomaly_scores(_met(small))["predicted"][0] > 0.5


def test_of_new_normal_rows_about_one_in_a_hundred_counts(fitted, learned):
    """Also among those that it learned from, each by the others."""
    new = fitted.anomaly_scores(_met(_rows(20_000, 1)[0]))["predicted"]
    assert 0.005 < (new > 0).mean() < 0.015
    assert (new > 1).mean() < 0.003
    own = PredictedNumbers().out_of_fold(fitted, learned, 0)["predicted"]
    assert 0.005 < (own > 0).mean() < 0.015


def test_the_surprise_of_rows_is_bounded(fitted):
    """However large a number, by what the training rows can tell and a decade more."""
    huge = _payments(np.array([0, 0]), np.array([20.0, 60.0]))
    assert fitted.anomaly_scores(_met(huge))["predicted"].max() <= np.log10(3_001) + 1 - np.log10(2) - 2


def test_a_missing_number_says_nothing(fitted):
    """What is not there contradicts nothing."""
    strange = _payments(np.array([0]), np.array([6.0]))
    present = np.array([[0, 1, 1, 1]], np.float32)
    assert fitted.anomaly_scores(_met(strange, present))["predicted"][0] == 0


def test_a_row_scores_alone_as_in_a_batch_and_from_a_bundle(fitted, learned):
    """To the bit."""
    values = _payments(np.arange(50) % 3, np.linspace(-6, 6, 50))
    whole = fitted.anomaly_scores(_met(values))["predicted"]
    again = PredictedNumbers().from_bundle(fitted.arrays(), learned.normal)
    for at in range(len(values)):
        alone = _met(np.ascontiguousarray(values[at : at + 1]))
        assert fitted.anomaly_scores(alone)["predicted"][0] == whole[at]
        assert again.anomaly_scores(alone)["predicted"][0] == whole[at]
    with pytest.raises(ValueError, match="does not fit"):
        PredictedNumbers().from_bundle({**fitted.arrays(), "weights": fitted.weights[:, :2]}, learned.normal)


def test_it_serves_where_words_stand_beside_numbers(learned):
    """Not numbers alone, a constant one among them or not, and not words alone."""
    values = _rows(300, 2)[0]
    assert PredictedNumbers().serves(learned.normal)
    assert not PredictedNumbers().serves(_learned(values, np.arange(4)).normal)
    constant = values.copy()
    constant[:, 3] = 1
    assert not PredictedNumbers().serves(_learned(constant, np.arange(4)).normal)
    assert not PredictedNumbers().serves(_learned(values, np.array([0, 0, 1, 1])).normal)


@pytest.mark.parametrize("count", [2, 50, 199])
def test_few_rows_tell_nothing(count):
    """Below what two sides of one in a hundred ask for; nothing breaks."""
    rows = _learned(_rows(count, 3)[0])
    fitted = PredictedNumbers().fit(rows, ModelChoice(), _ignore)
    assert fitted.anomaly_scores(_met(_payments(np.array([0]), np.array([6.0]))))["predicted"].tolist() == [0]
    assert PredictedNumbers().out_of_fold(fitted, rows, 0)["predicted"].tolist() == [0] * count


def test_a_rare_truth_counts_as_its_share():
    """A switch that is on in one row of a thousand is no stranger than that, however surely the rest predicts the others."""
    random = np.random.default_rng(4)
    values = _rows(10_000, 4)[0]
    values[:, 0] = random.random(10_000) < 0.001
    rows = _learned(values)
    fitted = PredictedNumbers().fit(rows, ModelChoice(), _ignore)
    on = np.column_stack([np.ones(3), np.eye(3)]).astype(np.float32)
    assert fitted.anomaly_scores(_met(on))["predicted"].max() <= 3
    assert (fitted.anomaly_scores(_met(values))["predicted"] > 0).mean() <= 0.01
