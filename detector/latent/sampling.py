"""Draws from a latent space: an autoencoder of its own, longer trained than what judges, and the density of its codes.

rows [N, D] -> LatentSampler; draw -> code by the aggregated posterior -> decoded mean + noise -> rows [n, D]

The aggregated posterior, codes drawn for all training rows, is no N(0, I): drawn from that, rows are told from real ones far
more easily. A mixture of Gaussians with full covariances is fitted to it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from latentwatch.detector.latent.examples import Examples, Floats, TrainingPlan
from latentwatch.detector.latent.networks import Autoencoder
from latentwatch.detector.latent.state_model import Standardised, standardised_by
from latentwatch.detector.latent.training import train_autoencoder
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelKind

COMPONENTS = 48
_ROWS_A_COMPONENT = 20
"""Fewest training rows for each Gaussian of the mixture."""
_LEAST_VARIANCE = 1e-4
"""Added to the variances of the mixture's Gaussians, in squared units of the prior."""

CANNOT = {
    ModelKind.DENOISING: "its codes have no distribution that it learned",
    ModelKind.LINEAR: "it learns directions and no noise around them",
}
"""Kinds that have nothing to sample from, and why."""


def refuse_to_sample(kind: ModelKind) -> None:
    """Raise InvalidInput where the kind cannot be sampled from."""
    if kind in CANNOT:
        raise InvalidInput(
            f"kind '{kind.value}' cannot sample: {CANNOT[kind]}; learn with 'variational', 'disentangled' or 'adversarial'"
        )


@dataclass(frozen=True, slots=True)
class LatentSampler:
    """A trained autoencoder of one member, and where its codes lie."""

    standardised: Standardised
    network: Autoencoder
    codes: Any
    """scikit-learn's mixture of Gaussians over codes [K]."""

    def draw(self, count: int, random: np.random.RandomState) -> Floats:
        """[count, D] rows in the units of those it learned from, in random order."""
        codes, _ = self.codes.sample(count)
        # The mixture gives its draws sorted by component: in that order neighbours would be alike.
        codes = np.asarray(codes[random.permutation(count)], np.float32)
        with torch.no_grad():
            mean, log_variance = self.network.decode(torch.from_numpy(codes)[None])
            spread = (0.5 * log_variance).exp().expand_as(mean)
        drawn = mean[0].numpy() + spread[0].numpy() * random.normal(size=mean.shape[1:])
        return self.standardised.back(np.asarray(drawn, np.float32))


def fit_sampler(rows: Floats, plan: TrainingPlan) -> LatentSampler:
    """Learn from finite rows [N, D], all of them seen. The plan's kind can be sampled from; its judges are not asked."""
    from sklearn.mixture import GaussianMixture

    standardised = standardised_by(rows)
    examples = Examples(standardised(rows), np.full(len(rows), -1, np.intp))
    network = train_autoencoder(examples, plan, lambda _share: None)
    random = torch.Generator().manual_seed(plan.seed)
    with torch.no_grad():
        seen = torch.from_numpy(examples.rows).expand(plan.members, -1, -1)
        codes = network.drawn(seen, plan.code, random)[-1].numpy()
    components = max(1, min(COMPONENTS, len(rows) // _ROWS_A_COMPONENT))
    mixture = GaussianMixture(components, reg_covar=_LEAST_VARIANCE, random_state=plan.seed)
    return LatentSampler(standardised, network, mixture.fit(codes.astype(np.float64)))
