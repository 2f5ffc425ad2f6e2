"""The compiled arithmetic against the same written plainly."""

import numpy as np
import pytest

from latentwatch import LatentDetector
from latentwatch.detector.rows.scoring import Plane, from_plane


@pytest.mark.parametrize(("count", "width"), [(10, 20), (10, 3), (6, 1), (10, 50)])
def test_distance_from_the_plane_is_that_of_its_formula(count: int, width: int):
    """Gram matrix, Cholesky factor and ridge give what numpy's solver gives, with fewer and more arms than columns."""
    random = np.random.default_rng(0)
    rows, row = random.normal(size=(40, width)), random.normal(size=width)
    index = random.choice(40, count, replace=False)
    arms, away = rows[index] - rows[index].mean(axis=0), row - rows[index].mean(axis=0)
    gram = arms @ arms.T
    ridge = np.trace(gram) / count * np.eye(count)
    expected = np.linalg.norm(away - arms.T @ np.linalg.solve(gram + ridge, arms @ away))
    assert _distance(row, rows, index) == pytest.approx(expected, rel=1e-4)


def test_neighbours_that_are_all_the_same_leave_the_whole_distance():
    """Copies span no plane: the distance from it is the distance from them."""
    assert _distance(np.array([3.0, 4.0]), np.zeros((12, 2)), np.arange(10)) == pytest.approx(5.0)


def _distance(row: np.ndarray, rows: np.ndarray, index: np.ndarray) -> float:
    count, width = len(index), len(row)
    plane = Plane(
        np.empty((count + 1, width), np.float32), np.empty((count, count), np.float32), np.empty(count, np.float32)
    )
    return from_plane(row.astype(np.float32), rows.astype(np.float32), index, plane)


@pytest.mark.parametrize("density", ["gaussian", "mixture", "prototypes"])
def test_a_row_gets_the_same_bits_alone_and_in_a_batch(density: str):
    """Also where values are missing, and where it was learned from."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(900, 3)) @ random.normal(size=(3, 13)) + 0.3 * random.normal(size=(900, 13))
    rows[random.random(rows.shape) < 0.02] = np.nan
    model = LatentDetector(kind="linear", density=density).fit(rows[:600])
    asked = rows[500:700]
    together = model._score(asked)[2]
    for row in range(len(asked)):
        alone = model._score(asked[row : row + 1])[2]
        for name in ("surprise", "reconstruction", "density"):
            assert getattr(alone, name)[0] == getattr(together, name)[row]
