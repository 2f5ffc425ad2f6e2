"""Latent densities say where normal codes are rare."""

import numpy as np
import pytest

from latentwatch.detector.density import choose_density, density_from_bundle, fit_density
from latentwatch.domain.errors import BundleRefused

KINDS = ["gaussian", "mixture", "prototypes"]


def _two_clouds(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    side = np.where(random.random(count) < 0.5, -4.0, 4.0)
    return (random.normal(size=(count, 3)) + side[:, None]).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_far_places_are_rarer(kind):
    """The anomaly score far away exceeds that of nearly all normal codes, and grows with distance."""
    density = fit_density(kind, _two_clouds(1500, 0))
    normal = density.anomaly_score(_two_clouds(500, 1))
    far = density.anomaly_score(np.array([[12, 0, 0], [60, 0, 0]], np.float32))
    assert far[0] > np.quantile(normal, 0.99)
    assert far[1] > far[0]


@pytest.mark.parametrize("kind", ["mixture", "prototypes"])
def test_the_gap_between_two_clouds_is_rare(kind):
    """A density with components sees that nobody lives between the clouds; one Gaussian cannot."""
    density = fit_density(kind, _two_clouds(1500, 0))
    assert density.anomaly_score(np.zeros((1, 3), np.float32))[0] > np.quantile(
        density.anomaly_score(_two_clouds(500, 1)), 0.9
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_density_survives_its_bundle(kind):
    """A density read back says the same; one of a wrong shape is refused."""
    codes = _two_clouds(200, 0)
    density = fit_density(kind, codes)
    arrays = density.arrays()
    assert np.array_equal(density_from_bundle(arrays).anomaly_score(codes), density.anomaly_score(codes))
    with pytest.raises(BundleRefused, match="wrong shape"):
        density_from_bundle({**arrays, "matrix": arrays["matrix"][:2]})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("codes", [np.zeros((1, 2)), np.zeros((30, 2)), np.ones((3, 8))])
def test_degenerate_codes_give_finite_scores(kind, codes):
    """One row, equal rows, fewer rows than dimensions: anomaly scores stay finite."""
    density = fit_density(kind, codes.astype(np.float32))
    assert np.isfinite(density.anomaly_score(np.array([codes[0], codes[0] + 5], np.float32))).all()


def test_auto_depends_on_the_number_of_rows():
    """Few rows get one Gaussian, many get prototypes."""
    assert [choose_density(rows) for rows in (1, 499, 500)] == ["gaussian", "gaussian", "prototypes"]
