"""Baselines and dummies are what they say: causal, and no better than they should be."""

import numpy as np
import pytest

from benchmarks.quality import baselines, peers
from benchmarks.quality.methods import PROMISED_RATE

CAUSAL = [method for method in baselines.sensor_methods() if method.group == "peer"]


def _series(seed, count=400):
    return np.cumsum(np.random.default_rng(seed).normal(size=(count, 4)), axis=0) * 0.1


@pytest.mark.parametrize("method", CAUSAL, ids=lambda method: method.name)
def test_baselines_do_not_look_ahead(method):
    """A row's score is the same whether or not later rows follow."""
    model = method.build(0)
    model.fit(_series(0))
    rows = _series(1)
    assert np.allclose(model.strangeness(rows)[:150], model.strangeness(rows[:150]))


def test_rolling_means_begin_with_what_there_is():
    """The first rows average the rows so far."""
    assert baselines.rolling_mean(np.array([2.0, 4.0, 6.0, 8.0]), 2).tolist() == [2.0, 3.0, 5.0, 7.0]


def test_a_training_row_is_not_its_own_neighbour():
    """Training scores leave the row itself out, or every one would be zero."""
    rows = _series(2)
    model = peers.NeighbourMean(1)
    model.fit(rows)
    assert (model.training_strangeness() > 0).all()
    assert np.allclose(model.strangeness(rows), 0, atol=1e-6)


def test_the_hand_set_limit_flags_the_promised_share_of_training_rows():
    """A training quantile is what the threshold says."""
    model = peers.NeighbourMean(5)
    rows = np.random.default_rng(0).normal(size=(2_000, 3))
    model.fit(rows)
    assert model.flags(rows, model.training_strangeness()).mean() == pytest.approx(PROMISED_RATE, abs=0.002)


def test_the_peers_without_networks_can_be_built():
    """Names of PyOD's modules and settings are real; those of networks would import torch here."""
    for method in (*peers.clean_table_methods(), *peers.contaminated_table_methods()):
        if method.name not in {"AutoEncoder", "VAE", "LUNAR"}:
            method.build(0)
