"""How far a number may lift a row."""

import numpy as np
import pytest

from latentwatch.detector.rows.ceiling import Ceiling, ceiling_of

LEVELS = Ceiling(one_in_ten=-3.0, one_in_hundred=-1.0)


def lifted(rest: float, beyond: float) -> float:
    """The whole of rows whose other scores sum to `rest`."""
    given = np.array([rest], np.float32)
    return float((given + LEVELS.lift(given, np.array([beyond], np.float32), 5.0))[0])


def test_a_number_lifts_a_row_as_far_as_one_as_rare_by_all_else() -> None:
    """From far below by its weight, from near only to there, from above not at all, and never where it is usual."""
    assert lifted(-8.0, 1.0) == -3.0
    assert lifted(-3.0, 1.0) == 1.0
    assert lifted(2.0, 1.0) == 2.0
    assert lifted(-8.0, 0.0) == -8.0


def test_the_stranger_number_never_counts_less() -> None:
    """Whatever the rest says."""
    beyond = np.linspace(0, 4, 41, dtype=np.float32)
    for rest in (-9.0, -2.0, 0.0, 4.0):
        whole = LEVELS.lift(np.full(41, rest, np.float32), beyond, 5.0)
        assert (np.diff(whole) >= 0).all()


def test_levels_are_read_off_normal_rows_and_stored() -> None:
    """And what is stored and is none is refused."""
    found = ceiling_of(np.arange(101, dtype=np.float32))
    assert (found.one_in_ten, found.one_in_hundred) == (90.0, 99.0)
    assert Ceiling.from_bundle(found.arrays()["ceiling"]) == found
    with pytest.raises(ValueError, match="two numbers that rise"):
        Ceiling.from_bundle(np.array([1.0, 0.0], np.float32))
