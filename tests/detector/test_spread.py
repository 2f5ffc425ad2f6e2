"""Sampling that no order of the rows can mislead."""

import numpy as np
import pytest

from latentwatch.detector.components.prototypes import fit_prototypes
from latentwatch.detector.spread import spread_over


@pytest.mark.parametrize(("count", "most"), [(100_000, 20_000), (100_000, 4_000), (99_999, 512), (21_000, 20_000)])
@pytest.mark.parametrize("entities", [2, 5, 10, 24])
def test_every_entity_that_reports_in_turn_is_seen_alike(count: int, most: int, entities: int):
    """An even step of five sees two of ten entities, and of those that it sees everything."""
    rows = spread_over(count, most)
    assert len(rows) == most
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < count
    seen = np.bincount(rows % entities, minlength=entities) / most
    assert seen == pytest.approx(1 / entities, abs=4 * (1 / entities / most) ** 0.5)
    assert np.array_equal(rows, spread_over(count, most))


def test_few_rows_are_all_taken():
    """As many as are asked for, or fewer: each once, in order."""
    assert spread_over(7, 7).tolist() == list(range(7))
    assert spread_over(0, 5).tolist() == []


def test_a_density_knows_every_entity_of_a_fleet_that_reports_in_turn():
    """Ten entities, each with a level of its own: with every fifth row two were known, and the others were strange."""
    random = np.random.default_rng(0)
    rows = (3.0 * random.normal(size=(10, 4))[np.arange(100_000) % 10] + random.normal(size=(100_000, 4))).astype(
        np.float32
    )
    scores = fit_prototypes(rows, 16, seed=0).anomaly_score(rows).reshape(-1, 10)
    assert np.ptp(np.median(scores, axis=0)) < 0.5
