"""How the kinds of autoencoder differ: what they do to their input, their code, and their loss.

All share one shape: affine layers with max(0, x) between them. Values are [members, batch, width].
"""

import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from latentwatch.detector.autoencoders.batches import TrainingBatch
from latentwatch.detector.autoencoders.examples import RowTrainingPlan
from latentwatch.detector.latent.networks import MemberLinear
from latentwatch.domain.model_choice import ModelKind


class RowAutoencoder(nn.Module):  # type: ignore[misc]  # torch's modules are untyped
    """An ensemble of affine layers with max(0, x) between them, and the denoising loss (Vincent 2008) to train it with."""

    code_outputs = 1
    """Encoder outputs per code dimension."""
    corrupted = True
    """Whether it is trained on corrupted rows. At scoring the clean row goes in."""

    def __init__(self, inputs: int, outputs: int, plan: RowTrainingPlan, random: torch.Generator) -> None:
        super().__init__()
        self.random, self.plan = random, plan
        down = (inputs, *plan.hidden, plan.code * self.code_outputs)
        up = (plan.code, *reversed(plan.hidden), outputs)
        self.encoder = _layers(down, plan.members, random)
        self.decoder = _layers(up, plan.members, random)
        with torch.no_grad():
            self.decoder[-1].weight.mul_(0.1)

    def encode(self, seen: Tensor) -> Tensor:
        """Encoder outputs [M, B, K * code_outputs] of what goes in [M, B, P + C]."""
        return cast(Tensor, self.encoder(seen))

    def decode(self, code: Tensor) -> Tensor:
        """Decoder outputs [M, B, P]."""
        return cast(Tensor, self.decoder(code))

    def loss(self, batch: TrainingBatch) -> Tensor:
        """What training minimises, summed over members, so that each one's gradient is its own."""
        return self._squared(batch, self.decode(self.encode(batch.seen))).mean(dim=1).sum()

    def error(self, batch: TrainingBatch) -> Tensor:
        """[M] error on clean rows, by which training stops: the mean log of the squared error, as it is scored."""
        code = self.encode(batch.seen)[..., : self.plan.code]
        return torch.log(self._squared(batch, self.decode(code)) + 1e-6).mean(dim=1)

    def after_step(self) -> None:
        """What a kind does between the steps of the autoencoder itself."""

    def _squared(self, batch: TrainingBatch, correction: Tensor) -> Tensor:
        """[M, B] weighted mean squared error of a row."""
        return ((batch.wanted - correction).square() * batch.share).sum(dim=-1)


class RowDenoising(RowAutoencoder):
    """The denoising autoencoder as it is."""


class RowVariational(RowAutoencoder):
    """The variational autoencoder (Kingma 2014): a Gaussian code, drawn near N(0, I) by beta times its divergence."""

    code_outputs = 2
    corrupted = False
    beta = 0.02

    def loss(self, batch: TrainingBatch) -> Tensor:
        mean, log_variance = self.encode(batch.seen).chunk(2, dim=-1)
        log_variance = log_variance.clamp(-8.0, 4.0)
        code = mean + torch.randn(mean.shape, generator=self.random) * (0.5 * log_variance).exp()
        squared = self._squared(batch, self.decode(code)).mean(dim=1)
        return (squared + self.beta * self._divergence(code, mean, log_variance)).sum()

    def _divergence(self, code: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """[M] divergence from N(0, I), a nat per code dimension."""
        return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean(dim=(1, 2))


class Disentangled(RowVariational):
    """The beta-TC-VAE (Chen 2018): the total correlation of the code costs more than the rest of its divergence.

    KL(q(z|x) p(z)) = index-code mutual information + total correlation + dimension-wise KL, estimated among at most
    `among` rows of the minibatch, since its cost is their square.
    """

    correlation = 5.0
    among = 64

    def _divergence(self, code: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        code, mean, log_variance = (part[:, : self.among] for part in (code, mean, log_variance))
        conditional = _log_normal(code, mean, log_variance).sum(dim=-1)
        pairs = _log_normal(code.unsqueeze(2), mean.unsqueeze(1), log_variance.unsqueeze(1))
        size = math.log(code.shape[1])
        joint = torch.logsumexp(pairs.sum(dim=-1), dim=2) - size
        apart = (torch.logsumexp(pairs, dim=2) - size).sum(dim=-1)
        prior = _log_normal(code, torch.zeros(()), torch.zeros(())).sum(dim=-1)
        terms = (conditional - joint) + self.correlation * (joint - apart) + (apart - prior)
        return terms.mean(dim=1) / code.shape[-1]


class RowAdversarial(RowAutoencoder):
    """The adversarial autoencoder (Makhzani 2015): a critic tells codes from N(0, I), and the encoder deceives it."""

    strength = 0.05

    def __init__(self, inputs: int, outputs: int, plan: RowTrainingPlan, random: torch.Generator) -> None:
        super().__init__(inputs, outputs, plan, random)
        critic = _layers((plan.code, 32, 1), plan.members, random)
        self._critic = [critic]  # in a list, so that it is not trained with the rest
        self._optimiser = torch.optim.Adam(critic.parameters(), 1e-3, betas=(0.5, 0.9), fused=True)
        self._latest: Tensor | None = None

    def loss(self, batch: TrainingBatch) -> Tensor:
        code = self.encode(batch.seen)
        self._latest = code.detach()
        deceived = softplus(-self._critic[0](code)).mean(dim=(1, 2))
        return cast(Tensor, (self._squared(batch, self.decode(code)).mean(dim=1) + self.strength * deceived).sum())

    def after_step(self) -> None:
        if self._latest is None:
            return
        prior = torch.randn(self._latest.shape, generator=self.random)
        loss = softplus(self._critic[0](self._latest)).mean(dim=(1, 2))
        loss = loss + softplus(-self._critic[0](prior)).mean(dim=(1, 2))
        self._optimiser.zero_grad()
        loss.sum().backward()
        self._optimiser.step()


def _layers(widths: tuple[int, ...], members: int, random: torch.Generator) -> nn.Sequential:
    """Affine layers of those widths, max(0, x) between them; weights uniform as He 2015 has it for max(0, x)."""
    parts: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        parts += [MemberLinear(members, inputs, outputs, random), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def _log_normal(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    return -0.5 * (math.log(2 * math.pi) + log_variance + (value - mean).square() * (-log_variance).exp())


KINDS: dict[ModelKind, type[RowAutoencoder]] = {
    ModelKind.DENOISING: RowDenoising,
    ModelKind.VARIATIONAL: RowVariational,
    ModelKind.DISENTANGLED: Disentangled,
    ModelKind.ADVERSARIAL: RowAdversarial,
}
