"""The state model: what serves says what was trained, judges leave a fold out, and a retrained map keeps its places."""

import numpy as np
import pytest
import torch

from latentwatch.detector.latent.basis import LANDMARKS, Basis, begin_basis
from latentwatch.detector.latent.examples import TrainingPlan
from latentwatch.detector.latent.factors import to_factors, varimax, whitened
from latentwatch.detector.latent.networks import Autoencoder
from latentwatch.detector.latent.served_network import Layer, Network
from latentwatch.detector.latent.state_model import StateModel, fit_state_model
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.model_choice import ModelKind

pytestmark = pytest.mark.slow

KINDS = [
    ModelKind.VARIATIONAL,
    ModelKind.DENOISING,
    ModelKind.ADVERSARIAL,
    ModelKind.DISENTANGLED,
    ModelKind.LINEAR,
]
WIDTH = 12


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small products are faster by one thread."""
    torch.set_num_threads(1)


def _rows(count: int, seed: int) -> np.ndarray:
    """Twelve columns of three hidden causes, one of them a choice of two."""
    random = np.random.default_rng(seed)
    causes = np.stack([random.normal(size=count), random.uniform(-2, 2, count), random.integers(0, 2, count) * 3.0], 1)
    mixed = np.tanh(causes @ np.random.default_rng(1).normal(size=(3, WIDTH)))
    return (3 * mixed + 5 + 0.1 * random.normal(size=mixed.shape)).astype(np.float32)


def _trained(
    kind: ModelKind, rows: np.ndarray, basis: Basis | None = None, seed: int = 0, steps: int = 150
) -> StateModel:
    plan = TrainingPlan(kind=kind, code=3, steps=steps, map_steps=steps, seed=seed)
    folds = np.arange(len(rows)) * 3 // len(rows)
    return fit_state_model(rows, folds, plan, None if basis is None else basis.landmarks, lambda _share: None)


@pytest.fixture(scope="module", params=KINDS)
def trained(request) -> tuple[ModelKind, StateModel]:
    """One model of each kind."""
    return request.param, _trained(request.param, _rows(1000, 0))


def test_every_kind_reconstructs_what_it_never_saw(trained):
    """What judges leave over of fresh rows is far less than the rows' own spread of 1."""
    _, residuals = trained[1].judge(_rows(500, 7))
    assert np.square(residuals).mean() < 0.4


def test_decoding_a_code_gives_records_in_their_own_units(trained):
    """The decoded mean lies near the record."""
    fresh = _rows(500, 7)
    decoded = trained[1].decode(trained[1].encode(fresh))
    assert np.square(decoded - fresh).mean() < 0.4 * fresh.var()


def test_judging_together_is_judging_alone_and_the_mean_of_it(trained):
    """The products laid side by side for speed say what each judge says."""
    model, fresh = trained[1], _rows(100, 8)
    codes, residuals = model.judge(fresh)
    alone = [model.judge_alone(fresh, judge) for judge in range(model.judges)]
    assert np.allclose(codes, [code for code, _ in alone], atol=1e-4)
    assert np.allclose(residuals, np.mean([residual for _, residual in alone], axis=0), atol=1e-4)


def test_a_code_has_the_same_bits_alone_and_in_a_batch(trained):
    """So that a place on the map is one place."""
    model, fresh = trained[1], _rows(65, 9)
    basis = begin_basis(fresh, model.encode(fresh))
    codes = model.encode(fresh)
    for at in (0, 31, 64):
        alone = model.encode(fresh[at : at + 1])
        assert np.array_equal(alone[0], codes[at])
        assert np.array_equal(basis.places(alone)[0], basis.places(codes)[at])


def test_a_bundle_gives_the_same_model(trained):
    """Bit for bit."""
    model, fresh = trained[1], _rows(50, 9)
    again = StateModel.from_bundle(model.arrays())
    assert np.array_equal(again.judge(fresh)[1], model.judge(fresh)[1])
    assert np.array_equal(again.encode(fresh), model.encode(fresh))


@pytest.mark.parametrize("kind", [ModelKind.VARIATIONAL, ModelKind.LINEAR])
def test_a_retrained_model_keeps_places_where_a_free_one_does_not(kind):
    """On other records and from another start; the share of the codes' variance that moved."""
    first, second, fresh = _rows(1500, 0), _rows(1500, 1), _rows(500, 2)
    before = _trained(kind, first, steps=300)
    codes = before.encode(fresh)
    basis = begin_basis(first, before.encode(first))
    held = _trained(kind, second, basis, seed=5, steps=300).encode(fresh)
    free = _trained(kind, second, seed=5, steps=300).encode(fresh)
    assert np.square(held - codes).sum() / np.square(codes - codes.mean(axis=0)).sum() < 0.06
    if kind is ModelKind.VARIATIONAL:
        assert np.square(free - codes).sum() / np.square(codes - codes.mean(axis=0)).sum() > 0.3


def test_a_judge_does_not_know_the_fold_it_leaves_out():
    """Rows of one fold that stand apart are reconstructed badly by the judge of that fold alone."""
    rows = _rows(1500, 0)
    folds = np.arange(1500) * 3 // 1500
    rows[folds == 1] += 30 * np.sign(np.random.default_rng(3).normal(size=WIDTH)).astype(np.float32)
    model = _trained(ModelKind.VARIATIONAL, rows)
    off = [float(np.square(model.judge_alone(rows[folds == 1], judge)[1]).mean()) for judge in range(3)]
    assert off[1] > 3 * max(off[0], off[2])


def test_the_first_half_of_the_landmarks_stays_for_ever():
    """And the second half is of the newest rows."""
    rows, codes = _rows(2000, 0), np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    basis = begin_basis(rows, codes)
    later = basis.renewed(_rows(2000, 1), codes + 1)
    half = LANDMARKS // 2
    assert np.array_equal(later.rows[:half], basis.rows[:half])
    assert np.array_equal(later.codes[:half], basis.codes[:half])
    assert len(later.rows) == LANDMARKS
    assert not np.array_equal(later.rows[half:], basis.rows[half:])
    assert np.array_equal(later.axes, basis.axes)


def test_a_damaged_model_is_refused():
    """Parts that do not fit each other."""
    model = _trained(ModelKind.LINEAR, _rows(300, 0))
    with pytest.raises(ValueError, match="do not fit"):
        StateModel.from_bundle(model.arrays() | {"centre": np.zeros(3, np.float32)})


def test_numpy_serves_what_torch_trained():
    """Codes and decoded rows of both are equal within 1e-5."""
    plan = TrainingPlan(kind=ModelKind.VARIATIONAL, code=3)
    network = Autoencoder(WIDTH, plan, True, torch.Generator().manual_seed(3))
    rows = torch.randn(plan.members, 20, WIDTH)
    first, last = (
        Layer(layer.weight.detach().numpy(), layer.bias.detach().numpy()[:, 0]) for layer in network.encoder[::2]
    )
    by_numpy = last(np.maximum(np.stack([rows[m].numpy() @ first.weight[m] + first.bias[m] for m in range(4)]), 0))
    assert np.abs(by_numpy[..., :3] - network.encode(rows, 3).detach().numpy()).max() < 1e-5


def test_factors_find_the_columns_that_move_together():
    """Two groups of columns, each of one cause: each factor loads on one group."""
    random = np.random.default_rng(0)
    causes = random.normal(size=(2000, 2))
    rows = np.concatenate([causes[:, [0]] * np.ones(4), causes[:, [1]] * np.ones(3)], axis=1)
    rows = (rows + 0.05 * random.normal(size=rows.shape)).astype(np.float32)
    angle = 0.7
    codes = (causes @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]).astype(np.float32)
    factors = codes @ to_factors(rows, codes)
    related = np.abs(np.corrcoef(factors.T, causes.T)[:2, 2:])
    assert related[0, 0] > 0.99
    assert related[1, 1] > 0.99
    assert np.allclose(np.cov(whitened(codes)[0].T), np.eye(2), atol=0.01)
    rotation = varimax(np.random.default_rng(1).normal(size=(3, 9)))
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


def test_weights_that_do_not_fit_are_refused():
    """A network whose layers have other widths than their neighbours is damaged."""
    arrays = Network(
        (Layer(np.zeros((1, 5, 3), np.float32), np.zeros((1, 3), np.float32)),) * 1,
        (Layer(np.zeros((1, 2, 5), np.float32), np.zeros((1, 5), np.float32)),),
    ).arrays()
    with pytest.raises(BundleRefused, match="do not fit"):
        Network.from_bundle(arrays)
