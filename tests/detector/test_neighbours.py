"""The search finds what a plain sort finds."""

import numpy as np
import pytest

from latentwatch.detector.neighbours import Memory, build_memory
from latentwatch.domain.errors import BundleRefused

EVERY_LIST = 1 << 30


def _rows(count: int, width: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


@pytest.mark.parametrize(("count", "width"), [(5, 3), (256, 1), (257, 7), (1000, 5), (700, 18)])
def test_searching_every_list_is_exact(count, width):
    """With as many probes as lists, distances and rows are those of a full sort."""
    rows, queries = _rows(count, width), _rows(40, width, 1)
    memory, order = build_memory(rows, 0)
    distances, indices = memory.nearest(queries, 4, EVERY_LIST)
    every = np.linalg.norm(queries[:, None] - rows[None], axis=2)
    assert np.allclose(distances, np.sort(every, axis=1)[:, :4], atol=1e-4)
    assert np.array_equal(order[indices], np.argsort(every, axis=1)[:, :4])


def test_few_lists_find_nearly_as_near():
    """Eight probes lose less than a hundredth of the distance."""
    rows, queries = _rows(5000, 6), _rows(300, 6, 1)
    memory, _ = build_memory(rows, 0)
    exact, _ = memory.nearest(queries, 3, EVERY_LIST)
    quick, _ = memory.nearest(queries, 3, 8)
    assert quick.mean() < 1.01 * exact.mean()


def test_a_query_does_not_depend_on_its_batch():
    """One query alone finds the same bits as among others."""
    memory, _ = build_memory(_rows(900), 0)
    queries = _rows(30, seed=2)
    together = memory.nearest(queries, 5, 3)
    for row in range(30):
        alone = memory.nearest(queries[row : row + 1], 5, 3)
        assert np.array_equal(together[0][row], alone[0][0])
        assert np.array_equal(together[1][row], alone[1][0])


def test_a_row_does_not_find_itself():
    """One exact copy is passed over; a second copy is found."""
    rows = np.concatenate([_rows(300), _rows(1)])  # the first row twice
    memory, order = build_memory(rows, 0)
    distances, indices = memory.nearest(rows[[0, 5]], 1, EVERY_LIST)
    assert distances[0, 0] == 0.0
    assert distances[1, 0] > 0.0
    assert order[indices[1, 0]] != 5


def test_too_few_rows_repeat_the_farthest():
    """Asking for more neighbours than there are rows is answered with the last one again."""
    memory, _ = build_memory(_rows(2), 0)
    distances, indices = memory.nearest(_rows(1, seed=3), 4, EVERY_LIST)
    assert distances[0, 1] == distances[0, 3]
    assert indices[0, 1] == indices[0, 3]


def test_damaged_lists_are_refused():
    """Lists that do not cover the rows make no memory."""
    arrays = build_memory(_rows(300), 0)[0].arrays()
    with pytest.raises(BundleRefused, match="lists do not fit"):
        Memory.from_bundle({**arrays, "starts": arrays["starts"][:-1]})
