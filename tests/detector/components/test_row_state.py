"""The state model of rows that stand alone: two halves of a score, a code of the row itself, and its way back."""

import numpy as np
import pytest

from latentwatch.detector.components.row_state import DENSITY, RECONSTRUCTION, RowState
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from tests.detector.components.test_surroundings import _learned, _met, _sheet

KINDS = [
    ModelKind.VARIATIONAL,
    ModelKind.DISENTANGLED,
    ModelKind.DENOISING,
    ModelKind.ADVERSARIAL,
    ModelKind.LINEAR,
]


def _ignore(_step, _share):
    pass


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reconstructs_rows_and_not_what_lies_off_them(kind):
    """Off the sheet a row is reconstructed worse than normal rows that were never seen; decoding its code leads back to it."""
    rows = _learned(_sheet(600, 0))
    fitted = RowState().fit(rows, ModelChoice(kind=kind), _ignore)
    fresh = _sheet(200, 1)
    off = fresh + np.array([0.5, -0.5, 0, 0, 0, 0], np.float32)
    usual, strange = (fitted.anomaly_scores(_met(rows.normal, part))[RECONSTRUCTION] for part in (fresh, off))
    assert np.median(strange) > np.quantile(usual, 0.95)
    back = fitted.decode(fitted.codes(fresh))
    assert np.square(back - fresh).sum() < 0.5 * np.square(fresh - fresh.mean(axis=0)).sum()


def test_a_row_scores_the_same_alone_and_in_a_batch_and_from_the_bundle():
    """Bit for bit, its code too; and what was stored scores as what was fitted."""
    rows = _learned(_sheet(300, 0))
    fitted = RowState().fit(rows, ModelChoice(), _ignore)
    again = RowState().from_bundle(fitted.arrays(), rows.normal)
    values = _sheet(17, 2)
    whole, codes = fitted.anomaly_scores(_met(rows.normal, values)), fitted.codes(values)
    for at in range(17):
        alone = _met(rows.normal, values[at : at + 1])
        for one in (fitted, again):
            assert {name: part[0] for name, part in one.anomaly_scores(alone).items()} == {
                name: part[at] for name, part in whole.items()
            }
            assert np.array_equal(one.codes(alone.values)[0], codes[at])


def test_halves_out_of_fold_are_as_of_new_rows():
    """Each training row by the judge that did not see it: no stranger and no more usual than rows that come later."""
    rows = _learned(_sheet(900, 0))
    fitted = RowState().fit(rows, ModelChoice(), _ignore)
    apart = RowState().out_of_fold(fitted, rows, 0)
    later = fitted.anomaly_scores(_met(rows.normal, _sheet(900, 1)))
    for name in (RECONSTRUCTION, DENSITY):
        assert 0.003 < (later[name] > np.quantile(apart[name], 0.99)).mean() < 0.03


def test_a_missing_value_is_not_reconstructed():
    """What stands in its place does not count."""
    rows = _learned(_sheet(300, 0))
    fitted = RowState().fit(rows, ModelChoice(), _ignore)
    met = _met(rows.normal, _sheet(20, 1))
    present = np.ones_like(met.values)
    present[:, 0] = 0.0
    lacking = type(met)(met.values, present, met.distances, met.nearest, met.known)
    scores = fitted.anomaly_scores(lacking)[RECONSTRUCTION]
    assert not np.allclose(scores, fitted.anomaly_scores(met)[RECONSTRUCTION])
    standing = fitted.model.standardised(met.values)
    residuals = standing - fitted.model.rebuild(standing, 0)[1]
    residuals[:, 0] = 1e3
    assert np.isfinite(fitted.residuals.anomaly_score(residuals, present)).all()
    assert (fitted.residuals.anomaly_score(residuals, present) < 5).all()


def test_a_state_model_of_other_rows_is_refused():
    """A bundle whose parts do not fit is damaged."""
    rows = _learned(_sheet(100, 0))
    arrays = RowState().fit(rows, ModelChoice(kind=ModelKind.LINEAR), _ignore).arrays()
    other = _learned(np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32))
    with pytest.raises(ValueError, match="does not fit"):
        RowState().from_bundle(arrays, other.normal)
