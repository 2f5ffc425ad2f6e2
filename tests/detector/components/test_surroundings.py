"""The distance from the mean of the nearest normal rows, and the spread by which it is measured."""

import numpy as np
import pytest

from latentwatch.detector.components.met_rows import ROW_FOLDS, SHOWN, LearnedRows, Met, NormalRows
from latentwatch.detector.components.offset_spread import OffsetSpread, fit_spread
from latentwatch.detector.components.surroundings import Surroundings
from latentwatch.detector.neighbours import build_memory
from latentwatch.domain.model_choice import ModelChoice


def _learned(values, readings=None):
    memory, order = build_memory(values, 0)
    found = memory.find(memory.rows, SHOWN, 100)
    told = np.ones(values.shape[1], np.float32) if readings is None else readings
    normal = NormalRows(memory, 1e-3, told, np.arange(values.shape[1]))
    met = Met(memory.rows, np.ones((1, values.shape[1]), np.float32), found.distances, found.indices, found.known)
    folds = np.arange(len(order)) % ROW_FOLDS
    return LearnedRows(met.as_new(), normal, np.arange(len(order)), folds)


def _met(normal, values):
    found = normal.memory.find(values, SHOWN, 100)
    present = np.ones((1, values.shape[1]), np.float32)
    return Met(values, present, found.distances, found.indices, found.known)


def _sheet(count, seed):
    """Rows on a plane in six dimensions, .01 thick."""
    random = np.random.default_rng(seed)
    plane = random.normal(size=(count, 2)) @ np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1]]) / 2
    return (plane + 0.01 * random.normal(size=(count, 6))).astype(np.float32)


def _ignore(_step, _share):
    pass


def test_off_the_sheet_is_stranger_than_as_far_along_it():
    """.1 across a sheet that is .01 thick counts for more than .1 along it, where neighbours lie that far apart anyway."""
    rows = _learned(_sheet(600, 0))
    fitted = Surroundings().fit(rows, ModelChoice(), _ignore)
    fresh = _sheet(200, 1)
    along = fresh + np.array([1, 1, 0, 0, 0, 0], np.float32) / np.float32(np.sqrt(2)) * 0.1
    across = fresh + np.array([1, -1, 0, 0, 0, 0], np.float32) / np.float32(np.sqrt(2)) * 0.1
    usual, near, off = (
        np.median(fitted.anomaly_scores(_met(rows.normal, part.astype(np.float32)))["surroundings"])
        for part in (fresh, along, across)
    )
    assert off > near + 0.7
    assert off > usual + 1.0


def test_what_is_rebuilt_is_the_mean_of_the_nearest():
    """As written plainly."""
    rows = _learned(_sheet(80, 0))
    fitted = Surroundings().fit(rows, ModelChoice(), _ignore)
    met = _met(rows.normal, _sheet(20, 1))
    assert np.allclose(fitted.rebuilt(met), rows.normal.rows[met.nearest[:, :SHOWN]].mean(axis=1), atol=1e-6)


def test_a_row_scores_the_same_alone_and_in_a_batch_and_from_the_bundle():
    """Bit for bit; and what was stored scores as what was fitted."""
    rows = _learned(_sheet(200, 0))
    fitted = Surroundings().fit(rows, ModelChoice(), _ignore)
    again = Surroundings().from_bundle(fitted.arrays(), rows.normal)
    values = _sheet(17, 2)
    whole = fitted.anomaly_scores(_met(rows.normal, values))["surroundings"]
    for at in range(17):
        alone = _met(rows.normal, values[at : at + 1])
        assert fitted.anomaly_scores(alone)["surroundings"][0] == whole[at]
        assert again.anomaly_scores(alone)["surroundings"][0] == whole[at]


def test_a_column_that_only_tells_of_gaps_counts_as_it_is():
    """A rare gap lies along a direction in which normal rows hardly differ; it is not to be the strangest thing there is."""
    values = np.column_stack([_sheet(600, 0), np.zeros(600, np.float32)])
    values[::100, 6] = 0.3
    told = np.array([1, 1, 1, 1, 1, 1, 0], np.float32)
    fresh = np.column_stack([_sheet(50, 1), np.zeros(50, np.float32)])
    gap = fresh.copy()
    gap[:, 6] = 0.3
    rises = []
    for readings in (told, None):
        rows = _learned(values, readings)
        fitted = Surroundings().fit(rows, ModelChoice(), _ignore)
        plain, lacking = (fitted.anomaly_scores(_met(rows.normal, part))["surroundings"] for part in (fresh, gap))
        rises.append(np.median(lacking) - np.median(plain))
    assert rises[1] > rises[0] + 0.4


def test_out_of_fold_a_row_is_measured_by_the_others():
    """With hardly more rows than columns, in-sample sizes are too small: out of fold they are as of new rows."""
    random = np.random.default_rng(0)
    rows = _learned(random.normal(size=(60, 30)).astype(np.float32))
    fitted = Surroundings().fit(rows, ModelChoice(), _ignore)
    apart = Surroundings().out_of_fold(fitted, rows, 0)["surroundings"].mean()
    assert apart > fitted.anomaly_scores(rows.met)["surroundings"].mean() + 0.02


def test_many_columns_share_what_is_left():
    """With more columns than directions the size is that of the whole covariance, but for what the small ones share."""
    random = np.random.default_rng(0)
    offsets = (random.normal(size=(3_000, 300)) * np.linspace(3, 0.5, 300)).astype(np.float32)
    spread = fit_spread(offsets, np.ones(300, np.float32), 1e-3)
    assert spread.directions.shape == (300, 64)
    assert np.allclose(spread.directions.T @ spread.directions, np.eye(64), atol=1e-4)
    scores = spread.anomaly_score(offsets, np.ones((1, 300), np.float32))
    assert scores.std() < 0.1  # all of them usual
    far = spread.anomaly_score(3 * offsets, np.ones((1, 300), np.float32))
    assert np.allclose(far - scores, np.log(3), atol=1e-3)


def test_where_nothing_ever_lay_off_everything_that_does_is_strange():
    """Copies of one row have no spread; an offset counts by its own size."""
    spread = fit_spread(np.zeros((10, 4), np.float32), np.ones(4, np.float32), 1e-3)
    small, large = spread.anomaly_score(np.array([[0, 0, 0, 0], [1, 0, 0, 0]], np.float32), np.ones((1, 4), np.float32))
    assert large - small > 5


def test_a_spread_of_other_columns_is_refused():
    """A bundle whose parts do not fit is damaged."""
    spread = fit_spread(np.eye(5, dtype=np.float32), np.ones(5, np.float32), 1e-3)
    with pytest.raises(ValueError, match="does not fit"):
        OffsetSpread.from_bundle(spread.arrays(), 6)
