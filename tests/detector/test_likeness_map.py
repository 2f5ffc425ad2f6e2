"""The plane of likeness: kinds stay together, a second night moves little, what is new lies among its like."""

import numpy as np
import pytest

from latentwatch.detector.likeness_map import FARTHEST_MOVE, between, placed
from latentwatch.domain.fingerprint import fingerprint, vectors

KINDS = (
    {"vibration": 3.0, "temperature": 1.0},
    {"flow": 2.0, "pressure": 1.5},
    {"current": 1.0},
    {"level": 1.0, "flow": 0.4},
)


def fingerprints(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[N, F] of four kinds with noise, and their kinds [N]."""
    random = np.random.default_rng(seed)
    names = sorted({name for kind in KINDS for name in kind})
    kinds = random.integers(len(KINDS), size=count)
    told = [{name: KINDS[kind].get(name, 0.0) + random.exponential(0.1) for name in names} for kind in kinds]
    return vectors([fingerprint(one) for one in told]), kinds


def first_neighbours(places: np.ndarray, kinds: np.ndarray) -> float:
    """Share of places whose nearest other one is of their kind."""
    away = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(away, np.inf)
    return float((kinds[away.argmin(axis=1)] == kinds).mean())


def test_kinds_lie_together_and_a_second_night_moves_them_little() -> None:
    """Although a quarter of them are new that night."""
    directions, kinds = fingerprints(80, 0)
    first = placed(directions[:60], np.full((60, 2), np.nan))
    assert first_neighbours(first, kinds[:60]) >= 0.9
    assert np.isfinite(first).all()
    assert (first >= 0).all()
    assert (first <= 1).all()
    former = np.full((80, 2), np.nan)
    former[:60] = first
    second = placed(directions, former)
    assert np.linalg.norm(second[:60] - first, axis=1).max() <= FARTHEST_MOVE + 1e-9
    assert first_neighbours(second, kinds) >= 0.8
    assert (placed(directions, former) == second).all()


def test_what_is_new_lies_among_its_like() -> None:
    """Until the next night; what had a place stays there."""
    directions, kinds = fingerprints(80, 1)
    former = np.full((80, 2), np.nan)
    former[:60] = placed(directions[:60], former[:60])
    found = between(directions, former)
    assert (found[:60] == former[:60]).all()
    assert first_neighbours(found, kinds) >= 0.8


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_few_have_places_too(count: int) -> None:
    """And equal ones, which have no distances."""
    for directions in (fingerprints(count, 2)[0], vectors([fingerprint({"flow": 1.0})] * count)):
        places = placed(directions, np.full((count, 2), np.nan))
        assert places.shape == (count, 2)
        assert np.isfinite(places).all()
        again = placed(directions, places)
        assert np.abs(again - places).max(initial=0.0) <= FARTHEST_MOVE + 1e-9
