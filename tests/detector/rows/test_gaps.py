"""A missing value that is an accident of transmission stands behind faults; one that breaks a habit is a fault."""

import numpy as np

from latentwatch import LatentDetector
from latentwatch.detector.rows.gaps import fill_gaps


def _coupled(count: int, seed: int) -> np.ndarray:
    """Eight columns of three causes."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(3, 8))
    return random.normal(size=(count, 3)) @ mixing + 0.3 * random.normal(size=(count, 8))


def _with_accidents(rows: np.ndarray, seed: int) -> np.ndarray:
    """Two values in a thousand lost."""
    return np.where(np.random.default_rng(seed).random(rows.shape) < 0.002, np.nan, rows)


def test_accidents_leave_room_for_faults():
    """Where 2 % of records lack a value, what is flagged at 1 % is not all gaps, and broken relations are found."""
    model = LatentDetector().fit(_with_accidents(_coupled(4_000, 0), 1))
    fresh = _with_accidents(_coupled(4_000, 2), 3)
    flagged = model.predict(fresh) == -1
    assert 0.004 < flagged.mean() < 0.02
    assert np.isnan(fresh[flagged]).any(axis=1).mean() < 0.7
    broken = _coupled(200, 4)
    broken[:, 2] = _coupled(200, 5)[:, 2]
    assert (model.predict(broken) == -1).mean() > 0.25


def test_three_gaps_at_once_are_no_accident():
    """Each alone is rare; together they are what normal records never show."""
    model = LatentDetector().fit(_with_accidents(_coupled(4_000, 0), 1))
    lacking = _coupled(100, 6)
    lacking[:, [0, 3, 5]] = np.nan
    assert (model.predict(lacking) == -1).mean() > 0.9


def test_a_habit_of_missing_that_is_broken_is_found():
    """A column that is missing whenever another is negative, and now when it is positive."""
    history = _coupled(4_000, 0)
    history[history[:, 1] < 0, 0] = np.nan
    model = LatentDetector().fit(history)
    broken = _coupled(400, 8)
    broken = broken[broken[:, 1] > 0.5]
    broken[:, 0] = np.nan
    assert (model.predict(broken) == -1).mean() > 0.4


def test_what_is_missing_is_the_mean_of_the_rows_nearest_in_the_rest():
    """As written plainly; also with fewer rows than neighbours, and where nothing is missing."""
    random = np.random.default_rng(0)
    values, present = random.normal(size=(40, 3)), (random.random((40, 3)) < 0.6).astype(float)
    present[0] = 1.0
    for count in (3, 60):
        rows = random.normal(size=(count, 3))
        squared = (np.square(values[:, None] - rows) * present[:, None]).sum(axis=2)
        nearest = np.argsort(squared, axis=1, kind="stable")[:, :5]
        expected = np.where(present > 0, values, rows[nearest].mean(axis=1))
        assert np.allclose(fill_gaps(values, present, rows), expected, atol=1e-5)
