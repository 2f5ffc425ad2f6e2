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
    """However large a number, by what the training rows can tell and three decades more."""
    huge = _payments(np.array([0, 0]), np.array([20.0, 60.0]))
    assert fitted.anomaly_scores(_met(huge))["predicted"].max() <= np.log10(3_001) + 3 - np.log10(2) - 2


def test_a_missing_number_says_nothing(fitted):
    """What is not there contradicts nothing."""
    strange = _payments(np.array([0]), np.array([6.0]))
    present = np.array([[0, 1, 1, 1]], np.float32)
    assert fitted.anomaly_scores(_met(strange, present))["predicted"][0] == 0


def test_what_a_missing_number_was_filled_with_is_no_evidence():
    """The others are asked what those that are there predict of them, whatever stands in the gap."""
    fitted = PredictedNumbers().fit(_learned(_sensors(4_000, 5), np.arange(30)), ModelChoice(), _ignore)
    values, present = _sensors(200, 7), np.ones((200, 30), np.float32)
    present[:, [3, 4]] = 0
    filled = values.copy()
    filled[:, 3] += 9
    filled[:, 4] -= 9
    told = [fitted.anomaly_scores(_met(each, present))["predicted"] for each in (values, filled)]
    np.testing.assert_allclose(*told, atol=1e-2)
    assert (told[1] > 0).mean() < 0.05


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


def test_it_serves_where_there_are_numbers(learned):
    """Not words alone."""
    values = _rows(300, 2)[0]
    assert PredictedNumbers().serves(learned.normal)
    assert PredictedNumbers().serves(_learned(values, np.arange(4)).normal)
    assert not PredictedNumbers().serves(_learned(values, np.array([0, 0, 1, 1])).normal)


def _sensors(count, seed, off=0.0):
    """Numbers [N, 30] of 5 hidden levels and noise of .1; the first of them off by so many spreads of the noise."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(count, 5)) @ np.random.default_rng(9).normal(size=(5, 30)) / np.sqrt(5)
    values = mixed + 0.1 * random.normal(size=(count, 30))
    values[:, 0] += 0.1 * off
    return values.astype(np.float32)


def test_one_number_of_many_is_asked_of_the_others():
    """In a table of numbers alone; new normal rows count as often as those that it learned from, each by the others' edges."""
    learned = _learned(_sensors(4_000, 5), np.arange(30))
    fitted = PredictedNumbers().fit(learned, ModelChoice(), _ignore)
    assert fitted.asked.tolist() == list(range(30))
    new, own = fitted.anomaly_scores(_met(_sensors(20_000, 6))), PredictedNumbers().out_of_fold(fitted, learned, 0)
    assert (new["predicted"] > 0).mean() < 1.3 * (own["predicted"] > 0).mean() < 0.03
    off = fitted.anomaly_scores(_met(_sensors(500, 7, off=8.0)))["predicted"]
    assert (off > 0).mean() > 0.95


def test_a_number_that_the_others_tell_nothing_of_is_not_asked():
    """In a table of numbers alone; if there are no others, none is."""
    values = _sensors(1_000, 5)
    values[:, 3] = np.random.default_rng(1).normal(size=1_000)
    fitted = PredictedNumbers().fit(_learned(values, np.arange(30)), ModelChoice(), _ignore)
    assert fitted.asked.tolist() == [0, 1, 2, *range(4, 30)]
    independent = np.random.default_rng(2).normal(size=(1_000, 4)).astype(np.float32)
    rows = _learned(independent, np.arange(4))
    none = PredictedNumbers().fit(rows, ModelChoice(), _ignore)
    assert none.asked.tolist() == []
    assert not none.anomaly_scores(rows.met)["predicted"].any()
    assert not PredictedNumbers().out_of_fold(none, rows, 0)["predicted"].any()
    assert not PredictedNumbers().from_bundle(none.arrays(), rows.normal).anomaly_scores(rows.met)["predicted"].any()


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
