"""How the kinds of autoencoder differ: what goes in, and what is minimised beside the likelihood of the rows."""

from dataclasses import replace
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.nn.functional import softplus

from latentwatch.detector.latent.examples import TrainingPlan
from latentwatch.detector.latent.networks import Autoencoder, Critic, drawn_around
from latentwatch.domain.model_choice import ModelKind


class Objective(Protocol):
    """What one kind minimises."""

    network: Autoencoder

    @staticmethod
    def suited(plan: TrainingPlan, rows: int) -> TrainingPlan:
        """The plan as this kind needs it, to learn from that many rows."""
        ...

    def loss(self, rows: Tensor) -> Tensor:
        """The sum over members of their mean loss on rows [M, B, D]."""
        ...

    def after_step(self) -> None:
        """What it trains beside the autoencoder."""
        ...


class Variational:
    """The variational autoencoder (Kingma and Welling 2014): likelihood and divergence from N(0, I), of one draw."""

    @staticmethod
    def suited(plan: TrainingPlan, rows: int) -> TrainingPlan:
        """As it is."""
        return plan

    def __init__(self, width: int, plan: TrainingPlan, random: torch.Generator) -> None:
        self.network = Autoencoder(width, plan, True, random)
        self._random = random

    def loss(self, rows: Tensor) -> Tensor:
        mean, log_variance = self.network.posterior(rows)
        codes = drawn_around(mean, log_variance, self._random)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1).mean(dim=-1)
        return cast(Tensor, (self.network.negative_log_likelihood(rows, codes) + divergence).sum())

    def after_step(self) -> None:
        """Nothing."""


class Denoising:
    """The denoising autoencoder (Vincent 2008): the clean row is to come out where a corrupted one goes in.

    Half of a batch has values swapped with those of other rows, at a rate drawn per row from U(0, 1/2); half has Gaussian
    noise whose spread is drawn per row, log-uniformly from 0.05 to 1.
    """

    @staticmethod
    def suited(plan: TrainingPlan, rows: int) -> TrainingPlan:
        """As it is."""
        return plan

    def __init__(self, width: int, plan: TrainingPlan, random: torch.Generator) -> None:
        self.network = Autoencoder(width, plan, False, random)
        self._random, self._code = random, plan.code

    def loss(self, rows: Tensor) -> Tensor:
        codes = self.network.encode(self._corrupted(rows), self._code)
        return cast(Tensor, self.network.negative_log_likelihood(rows, codes).sum())

    def after_step(self) -> None:
        """Nothing."""

    def _corrupted(self, rows: Tensor) -> Tensor:
        half = rows.shape[1] // 2
        swapped, noisy = rows[:, :half], rows[:, half:]
        rate = 0.5 * torch.rand((*swapped.shape[:2], 1), generator=self._random)
        swapped = torch.where(torch.rand(swapped.shape, generator=self._random) < rate, swapped.roll(1, 1), swapped)
        spread = 0.05 ** torch.rand((*noisy.shape[:2], 1), generator=self._random)
        return torch.cat([swapped, noisy + spread * torch.randn(noisy.shape, generator=self._random)], dim=1)


class Adversarial:
    """The adversarial autoencoder (Makhzani 2015): a critic tells codes from draws of N(0, I), and the encoder deceives it.

    A record has one code: codes drawn around it would match the prior where the codes that are served do not. The critic's
    slope at the draws is penalised (Mescheder 2018, R1), without which the two chase each other in circles. It
    takes two steps for each of the encoder's, which learns slowly: a faster one runs away from it.
    """

    _STRENGTH = 3.0
    """How much deceiving counts, in nats, against the likelihood of one column: of many columns one would not count."""
    _SLOPE = 0.5
    _CRITIC_STEPS, _CRITIC_RATE = 2, 2e-3
    _LEAST_STEPS, _LEAST_BATCH, _RATE = 1_500, 256, 1e-3
    _FEW = 2_000

    @classmethod
    def suited(cls, plan: TrainingPlan, rows: int) -> TrainingPlan:
        """Slower, for longer, on more rows at a time; of few rows a critic learns soon what there is to learn."""
        if rows < cls._FEW:
            return plan
        steps, batch = max(plan.steps, cls._LEAST_STEPS), max(plan.batch, cls._LEAST_BATCH)
        return replace(plan, steps=steps, batch=batch, learning_rate=cls._RATE)

    def __init__(self, width: int, plan: TrainingPlan, random: torch.Generator) -> None:
        self.network = Autoencoder(width, plan, False, random)
        self._random, self._strength, self._code = random, self._STRENGTH * width, plan.code
        self._critic = Critic(plan, random)
        self._optimiser = torch.optim.Adam(self._critic.parameters(), self._CRITIC_RATE, betas=(0.5, 0.9), fused=True)
        self._latest: Tensor | None = None

    def loss(self, rows: Tensor) -> Tensor:
        codes = self.network.encode(rows, self._code)
        self._latest = codes.detach()
        deceived = softplus(-self._critic(codes)).mean(dim=(1, 2))
        return cast(Tensor, (self.network.negative_log_likelihood(rows, codes) + self._strength * deceived).sum())

    def after_step(self) -> None:
        """The critic's steps on the latest codes."""
        if self._latest is None:
            return
        for _ in range(self._CRITIC_STEPS):
            draws = torch.randn(self._latest.shape, generator=self._random).requires_grad_()
            taken = self._critic(draws)
            (slope,) = torch.autograd.grad(taken.sum(), draws, create_graph=True)
            loss = softplus(self._critic(self._latest)).mean(dim=(1, 2)) + softplus(-taken).mean(dim=(1, 2))
            loss = loss + self._SLOPE * slope.square().sum(dim=-1).mean(dim=-1)
            self._optimiser.zero_grad()
            loss.sum().backward()
            self._optimiser.step()


OBJECTIVES: dict[ModelKind, type[Variational] | type[Denoising] | type[Adversarial]] = {
    ModelKind.VARIATIONAL: Variational,
    ModelKind.DISENTANGLED: Variational,  # the same code, turned to its factors afterwards
    ModelKind.DENOISING: Denoising,
    ModelKind.ADVERSARIAL: Adversarial,
}
