"""The component of single columns against the same counted plainly."""

import numpy as np
import pytest

from latentwatch.detector.components.met_rows import Met
from latentwatch.detector.components.tails import STEP, FittedColumnTails, Tails, fit_tails, reached_by
from latentwatch.detector.vectors import TILE

Floats = np.ndarray


@pytest.mark.parametrize("count", [1, 2, 40, 3_000])
@pytest.mark.parametrize("whole", [False, True])
def test_what_a_row_reaches_is_counted_in_each_column(count: int, whole: bool):
    """Levels reached are those of the share of rows as far out, one equal value passed over, also where values repeat."""
    random = np.random.default_rng(count)
    rows, fresh = random.normal(size=(count, 5)) ** 3, random.normal(size=(60, 5)) ** 3
    if whole:
        rows, fresh = np.rint(rows), np.rint(fresh)
    rows, asked = rows.astype(np.float32), np.concatenate([fresh, rows[:60]]).astype(np.float32)
    tails = fit_tails(rows)
    sides = []
    for sign in (1.0, -1.0):
        farther = (sign * rows[:, None] <= sign * asked).sum(axis=0)
        others = farther - (rows[:, None] == asked).any(axis=0)
        allowed = np.floor(np.exp(-STEP * np.arange(1, TILE + 1)) * (count + 1) - 0.5)
        allowed = np.where(allowed < count, allowed, -1)
        sides.append((others[..., None] <= allowed).sum(axis=2))
    longer = np.where(tails.skew > 0, sides[1], sides[0])
    expected = np.max([side.mean(axis=1) for side in (*sides, longer)], axis=0) * STEP
    assert _reached(asked, tails) == pytest.approx(expected, abs=1e-5)


def test_only_the_far_end_of_skewed_columns_counts():
    """Nothing where columns are symmetric; where they are skewed, nothing for the usual row and at most 1 for any."""
    random = np.random.default_rng(0)
    even, skewed = random.normal(size=(2_000, 8)), np.exp(random.normal(size=(2_000, 8)))
    assert fit_tails(even.astype(np.float32)).strength < 0.05
    tails = fit_tails(skewed.astype(np.float32))
    assert tails.strength == 1.0
    found = _outside(skewed, tails)
    assert np.mean(found > 0) == pytest.approx(0.25, abs=0.05)
    far = _outside(np.full((1, 8), 1e6), tails)[0]
    assert found.max() < far < 1.0


def test_a_table_of_constants_has_no_tails():
    """Nothing varies, nothing is skewed; a column that moves is for other components."""
    tails = fit_tails(np.zeros((50, 3), np.float32))
    assert tails.strength == 0.0
    assert _outside(np.array([[4.0, 0.0, 0.0]]), tails)[0] == 0.0


def test_tails_of_another_width_are_refused():
    """A bundle whose tails do not fit its columns says so."""
    tails = fit_tails(np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32))
    again = Tails.from_bundle(tails.arrays(), 4)
    assert again[3:] == tails[3:]
    with pytest.raises(ValueError, match="tails"):
        Tails.from_bundle(tails.arrays(), 5)


def _reached(rows: Floats, tails: Tails) -> Floats:
    out = np.empty(len(rows), np.float32)
    reached_by(rows, tails, out)
    return out


def _outside(rows: Floats, tails: Tails) -> Floats:
    """[N] what the component says of rows [N, P]; it does not look at what is near them."""
    count = len(rows)
    near = np.zeros((count, 5))
    met = Met(rows.astype(np.float32), np.ones((1, rows.shape[1])), near, near.astype(np.int64), np.zeros(count, bool))
    return FittedColumnTails(tails).anomaly_scores(met)["tails"]
