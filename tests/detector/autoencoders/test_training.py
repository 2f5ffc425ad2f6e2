"""Autoencoders learn, and what serves them in numpy says what torch says."""

import numpy as np
import pytest
import torch

from latentwatch.detector.autoencoders.batches import Draws
from latentwatch.detector.autoencoders.examples import RowExamples, RowTrainingPlan
from latentwatch.detector.autoencoders.kinds import KINDS
from latentwatch.detector.autoencoders.linear import components, fit_linear
from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.autoencoders.training import _to_numpy, train_network
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.model_choice import ModelKind

pytestmark = pytest.mark.slow

ALL = [*KINDS, ModelKind.LINEAR]


def _rows(count: int = 400) -> np.ndarray:
    random = np.random.default_rng(0)
    rows = np.tanh(random.normal(size=(count, 2)) @ np.random.default_rng(1).normal(size=(2, 8)))
    return (rows + 0.05 * random.normal(size=rows.shape)).astype(np.float32)


def _plan(kind: ModelKind) -> RowTrainingPlan:
    return RowTrainingPlan(kind=kind, members=3, hidden=(24,), code=3, steps=250, batch=64)


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_reconstructs_what_it_never_saw(kind):
    """Residuals of rows left out are far smaller than the rows' own spread."""
    rows = _rows()
    network = train_network(RowExamples(rows[:300], folds=np.arange(300) % 3), _plan(kind))
    residual = np.square(network.reconstruct(rows[300:]) - rows[300:]).mean()
    assert residual < 0.4 * rows.var()


@pytest.mark.parametrize("kind", list(KINDS))
def test_numpy_serves_what_torch_trained(kind):
    """Codes and reconstructions of both are equal within 1e-5."""
    rows = _rows(50)
    aside = np.ones((50, 2), np.float32)
    plan = _plan(kind)
    model = KINDS[kind](10, 8, plan, torch.Generator().manual_seed(3))
    network = _to_numpy(model)
    with torch.no_grad():
        seen = torch.from_numpy(np.stack([np.concatenate([rows, aside], axis=1)] * 3))
        code = model.encode(seen)[..., : plan.code]
        out = model.decode(code)
    assert np.abs(network.encode(rows, aside) - code.numpy()).max() < 1e-5
    assert np.abs(network.reconstruct(rows, aside) - out.numpy()).max() < 1e-5


def test_a_batch_holds_what_its_members_may_see():
    """Clean rows are rows of other folds; half of the corrupted ones have values of others, half are moved a little."""
    rows, folds = _rows(90), np.arange(90) % 3
    examples = RowExamples(rows, aside=rows + 1.0, baseline=np.ones_like(rows), folds=folds)
    clean = Draws(examples, 3, 64, torch.Generator().manual_seed(1)).draw(corrupted=False)
    seen, wanted = clean.seen.numpy(), clean.wanted.numpy()
    for member in range(3):
        assert {row.tobytes() for row in seen[member, :, :8]} <= {row.tobytes() for row in rows[folds != member]}
    assert np.allclose(seen[..., 8:], seen[..., :8] + 1.0)
    assert np.allclose(wanted, seen[..., :8] - 1.0)
    assert torch.allclose(clean.share.sum(dim=-1), torch.ones(1))
    moved = Draws(examples, 3, 64, torch.Generator().manual_seed(1)).draw(corrupted=True)
    changed = ~np.isclose(moved.seen.numpy()[..., :8], moved.wanted.numpy() + 1.0, atol=1e-4)
    assert 0.1 < changed[:, :32].mean() < 0.4
    assert changed[:, 32:].mean() > 0.95
    assert np.isin(moved.seen.numpy()[:, :32, :8], rows).all()


def test_training_is_deterministic():
    """The same seed gives the same weights."""
    first, second = (train_network(RowExamples(_rows()), _plan(ModelKind.DENOISING)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first.arrays().values(), second.arrays().values(), strict=True))


def test_a_member_does_not_see_its_fold():
    """Rows of a member's own fold may be anything without changing that member."""
    rows, folds = _rows(90), np.arange(90) % 3
    spoiled = rows.copy()
    spoiled[folds == 1] = 0.5
    plan = RowTrainingPlan(kind=ModelKind.LINEAR, members=3, code=2)
    here, there = (fit_linear(RowExamples(each, folds=folds), plan).member(1) for each in (rows, spoiled))
    assert np.array_equal(here.encoder[0].weight, there.encoder[0].weight)


def test_missing_values_are_not_learned():
    """What stands where a value is missing has no influence on the loss."""
    present = np.ones((200, 8), np.float32)
    present[:, 7] = 0.0
    rows, other = _rows(200), _rows(200)
    rows[:, 7] = 0.0
    other[:, 7] = 1000.0
    network = train_network(RowExamples(rows, present=present), _plan(ModelKind.DENOISING))
    error = np.square(network.reconstruct(rows)[..., :7] - rows[:, :7]).mean()
    assert error < 0.4 * rows[:, :7].var()


def test_the_linear_code_is_the_principal_one():
    """Reconstruction by K components is as good as the singular value decomposition says."""
    rows = _rows(200)
    network = fit_linear(RowExamples(rows), RowTrainingPlan(kind=ModelKind.LINEAR, members=1, code=3))
    residual = np.square(network.reconstruct(rows)[0] - rows).sum()
    spread = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    assert residual == pytest.approx(spread[3:].sum(), rel=1e-3)
    assert components(rows, 0.999999) == 7


def test_progress_is_told_to_the_end():
    """Training says how far it is, and never goes back."""
    told: list[float] = []
    train_network(RowExamples(_rows(60)), RowTrainingPlan(steps=40, batch=16, members=1, patience=99), told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_weights_that_do_not_fit_are_refused():
    """A network whose layers have other widths than their neighbours is damaged."""
    arrays = fit_linear(RowExamples(_rows(20)), RowTrainingPlan(kind=ModelKind.LINEAR, members=1, code=3)).arrays()
    arrays["decoder.0.weight"] = arrays["decoder.0.weight"][:, :2]
    with pytest.raises(BundleRefused, match="do not fit"):
        Network.from_bundle(arrays)
