"""Streams drawn by ourselves: repeatable, faults where the labels say, nothing else changed."""

import numpy as np
import pytest

from benchmarks.quality.generated import KINDS, TEST_RECORDS, TRAIN_RECORDS, generate


@pytest.mark.parametrize("kind", KINDS)
def test_faults_are_where_the_labels_are(kind: str):
    """Without its faults the tested stretch is the normal one; training holds none; every value is a number."""
    stream = generate(kind, 0)
    split = stream.split
    assert (len(split.train), len(split.test), len(split.truth)) == (TRAIN_RECORDS, TEST_RECORDS, TEST_RECORDS)
    assert np.array_equal(split.test[~split.truth], stream.normal[~split.truth])
    assert 0.1 < split.truth.mean() < 0.4
    assert np.isfinite(split.train).all()
    assert np.isfinite(split.test).all()


def test_wandering_levels_are_added_to_the_same_stream():
    """What wanders is slow: from record to record it differs by a little, over the stretch by much."""
    still, wandering = generate("autoregression", 0), generate("autoregression", 0, wander=1.0)
    walk = wandering.split.train - still.split.train
    assert np.ptp(walk, axis=0).min() > 0.5
    assert np.abs(np.diff(walk, axis=0)).max() < 0.3
    assert np.array_equal(wandering.split.test[~wandering.split.truth], wandering.normal[~wandering.split.truth])


def test_a_seed_is_one_stream():
    """The same seed draws the same stream; another seed another."""
    first, again, other = (generate("tank", seed).split.test for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
