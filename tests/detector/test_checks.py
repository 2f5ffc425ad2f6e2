"""Every kind of detector keeps what every detector must keep."""

from functools import cache

import numpy as np
import pytest

from latentwatch.detector.bundle import Bundled
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from tests.detector.checks import CHECKS, CheckFailed, check_better_than_chance, check_purity, read

pytestmark = pytest.mark.slow

KINDS = [kind for kind in ModelKind if kind is not ModelKind.AUTO]
CHOICES = {kind.value: ModelChoice(kind=kind) for kind in KINDS} | {
    "windowed, levels followed": ModelChoice(kind=ModelKind.WINDOWED, follow_drift=True)
}
NAMES = [f"f{column}" for column in range(6)]


def _batch(rows: np.ndarray) -> Batch:
    schema = RecordSchema(features=dict.fromkeys(NAMES, "numeric"))
    return batch_from_columns(schema, dict(zip(NAMES, rows.T, strict=True)))


def _normal(count: int, seed: int) -> np.ndarray:
    """Six numbers on a curved surface of two dimensions, each row like the one before."""
    random = np.random.default_rng(seed)
    walk = np.zeros((count, 2))
    for row in range(1, count):
        walk[row] = 0.8 * walk[row - 1] + random.normal(size=2) * 0.6
    mix = np.random.default_rng(7).normal(size=(2, 6))
    return np.tanh(walk @ mix) * [1, 10, 100, 1, 1, 1] + [0, 5, 0, 0, 0, 0] + random.normal(size=(count, 6)) * 0.05


def _strange(count: int, seed: int) -> np.ndarray:
    """Each number shuffled on its own: every value is normal, their company is not; and some are far away."""
    rows = _normal(count, seed)
    random = np.random.default_rng(seed)
    shuffled = np.stack([random.permutation(column) for column in rows.T], axis=1)
    shuffled[::2, 0] += 3.0
    return shuffled


@cache
def _trained(name: str) -> Bundled:
    window = 16 if CHOICES[name].kind is ModelKind.WINDOWED else 1
    return learn(_batch(_normal(700, 1)), CHOICES[name], window)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("choice", CHOICES)
def test_every_kind_passes_every_check(choice, check):
    """Purity, order, batches, bundles, calibration, power, explanations and the map hold for every kind."""
    check(_trained(choice), _batch(_normal(300, 2)), _batch(_strange(120, 3)))


AWKWARD = {
    "constant column": np.column_stack([_normal(80, 4)[:, :5], np.full(80, 3.0)]),
    "duplicated column": _normal(80, 4)[:, [0, 0, 1, 1, 2, 2]],
    "more features than rows": _normal(4, 4),
    "every row the same": np.ones((40, 6)),
    "holes everywhere": np.where(np.random.default_rng(0).random((90, 6)) < 0.2, np.nan, _normal(90, 4)),
    "a column never filled": np.column_stack([_normal(60, 4)[:, :5], np.full(60, np.nan)]),
}


@pytest.mark.parametrize("rows", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.parametrize("kind", [ModelKind.DENOISING, ModelKind.LINEAR])
def test_awkward_histories_give_finite_scores(kind, rows):
    """Whatever the history, a detector comes out and scores finitely, its own history and other records alike."""
    detector = learn(_batch(rows), ModelChoice(kind=kind), 1)
    for batch in (_batch(rows), _batch(_strange(20, 5))):
        scores = detector.score(batch, read(detector, batch))
        assert np.isfinite(scores.surprise).all()
        assert np.isfinite(scores.reconstruction).all()
        assert np.isfinite(scores.density).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not ModelKind.WINDOWED])
def test_one_row_is_enough(kind):
    """A single training record gives a detector that scores."""
    detector = learn(_batch(_normal(1, 4)), ModelChoice(kind=kind), 1)
    batch = _batch(_strange(5, 5))
    assert np.isfinite(detector.score(batch, read(detector, batch)).surprise).all()


def test_a_constant_that_moves_is_noticed():
    """A column that never moved in training raises the surprise when it does."""
    rows = np.column_stack([_normal(300, 4)[:, :5], np.full(300, 3.0)])
    detector = learn(_batch(rows), ModelChoice(kind=ModelKind.LINEAR), 1)
    fresh = np.column_stack([_normal(50, 6)[:, :5], np.full(50, 3.0)])
    moved = fresh.copy()
    moved[:, 5] = 3.5
    still, gone = (detector.score(batch, read(detector, batch)) for batch in (_batch(fresh), _batch(moved)))
    assert np.median(gone.surprise) > 2.0 > np.median(still.surprise)


def test_the_suite_notices_a_detector_that_guesses():
    """A detector that cannot tell strange from normal fails the suite."""
    detector = _trained(ModelKind.LINEAR)
    with pytest.raises(CheckFailed, match="hardly better than chance"):
        check_better_than_chance(detector, _batch(_normal(100, 8)), _batch(_normal(100, 9)))


def test_the_suite_notices_impurity():
    """A detector whose scores change from call to call fails the suite."""

    class Restless:
        def __init__(self) -> None:
            self.calls = 0
            self.context = _trained(ModelKind.LINEAR).context

        def score(self, batch, contexts):
            self.calls += 1
            scores = _trained(ModelKind.LINEAR).score(batch, contexts)
            scores.surprise[:] += self.calls
            return scores

    with pytest.raises(CheckFailed, match="twice"):
        check_purity(Restless(), _batch(_normal(10, 8)), _batch(_normal(10, 9)))
