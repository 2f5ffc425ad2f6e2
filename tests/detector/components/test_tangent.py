"""The distance from the plane through the nearest rows against the same written plainly."""

import numpy as np
import pytest

from latentwatch.detector.components.tangent import Plane, from_plane


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
