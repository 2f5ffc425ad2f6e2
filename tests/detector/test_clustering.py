"""k-means, and what makes columns comparable before it."""

import numpy as np
import pytest

from latentwatch.detector.clustering import k_means
from latentwatch.detector.whitening import fit_whitening


@pytest.mark.parametrize("apart", [True, False])
def test_centres_are_the_means_of_what_is_nearest_to_them(apart: bool):
    """Four clouds far from each other, one small: every row's centre is the nearest, and the mean of its rows."""
    random = np.random.default_rng(0)
    clouds = [random.normal(size=(size, 3)) + 20.0 * at for at, size in enumerate((300, 300, 300, 12))]
    rows = np.concatenate(clouds).astype(np.float32)
    centres, owner = k_means(rows, 4, seed=0, apart=apart)
    distances = np.square(rows[:, None] - centres).sum(axis=2)
    assert np.array_equal(owner, distances.argmin(axis=1))
    means = np.stack([rows[owner == at].mean(axis=0) for at in range(len(centres))])
    assert means == pytest.approx(centres, abs=1e-4)
    if apart:
        assert sorted(np.bincount(owner)) == [12, 300, 300, 300]


def test_fewer_distinct_rows_than_centres_are_a_centre_each():
    """Two values, eight centres asked for."""
    rows = np.repeat(np.array([[0.0, 1.0], [5.0, 1.0]], np.float32), 20, axis=0)
    centres, owner = k_means(rows, 8, seed=0)
    assert sorted(centres[:, 0].tolist()) == [0.0, 5.0]
    assert np.array_equal(np.sort(np.bincount(owner)), [20, 20])


def test_whitened_columns_are_uncorrelated_and_of_spread_1():
    """Of columns on scales alike; those that never move are left out; a row alone gets the same bits as among others."""
    random = np.random.default_rng(0)
    rows = (random.normal(size=(5_000, 4)) @ (np.eye(4) + 0.4 * random.normal(size=(4, 4)))).astype(np.float32)
    rows = np.insert(rows, 2, 7.0, axis=1)
    whitening = fit_whitening(rows)
    white = whitening(rows)
    assert whitening.size == 4
    assert np.cov(white.T) == pytest.approx(np.eye(4), abs=0.05)
    assert np.abs(white.mean(axis=0)).max() < 1e-3
    assert np.array_equal(whitening(rows[7:8])[0], white[7])
