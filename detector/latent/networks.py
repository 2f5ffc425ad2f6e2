"""The torch modules: M independent autoencoders of one shape, computed together. Values are [members, batch, width]."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from latentwatch.detector.latent.examples import TrainingPlan
from latentwatch.detector.latent.served_network import Layer

_NOISE = (-8.0, 4.0)
"""Bounds of a column's log variance around what is decoded."""
_SPREAD = (-10.0, 4.0)
"""Bounds of a code's log variance."""


class MemberLinear(nn.Module):  # type: ignore[misc]  # torch's modules are untyped
    """An affine layer per member."""

    def __init__(self, members: int, inputs: int, outputs: int, random: torch.Generator, gain: float = 1.0) -> None:
        """Weights uniform with variance `gain`^2 / inputs; biases 0."""
        super().__init__()
        bound = gain * math.sqrt(3.0 / inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound, generator=random))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, values: Tensor) -> Tensor:
        """[M, B, inputs] -> [M, B, outputs]"""
        return torch.baddbmm(self.bias, values, self.weight)


def stored(layer: MemberLinear, outputs: int | None = None) -> Layer:
    """A trained layer, or its first outputs, as numpy serves it."""
    weight, bias = layer.weight.detach()[..., :outputs], layer.bias.detach()[:, 0, :outputs]
    return Layer(weight.contiguous().numpy().copy(), bias.contiguous().numpy().copy())


def drawn_around(mean: Tensor, log_variance: Tensor, random: torch.Generator) -> Tensor:
    """A draw of N(mean, exp(log variance)) for each, all [M, B, K]; its gradient reaches both."""
    return mean + torch.randn(mean.shape, generator=random) * (0.5 * log_variance).exp()


class Autoencoder(nn.Module):  # type: ignore[misc]
    """Encoder D -> hidden -> K, or K means and K log variances; decoder K -> hidden -> D, with one noise per column or, where
    the plan says so, D log variances more."""

    def __init__(self, width: int, plan: TrainingPlan, stochastic: bool, random: torch.Generator) -> None:
        super().__init__()
        members, outputs = plan.members, 2 * plan.code if stochastic else plan.code
        self.encoder = _layers(width, outputs, plan, random)
        self.decoder = _layers(plan.code, width * (2 if plan.noise_by_record else 1), plan, random, gain=0.1)
        self.log_noise = nn.Parameter(torch.full((members, 1, width), -1.0))
        self._noise_by_record, self._stochastic = plan.noise_by_record, stochastic

    def encode(self, rows: Tensor, code: int) -> Tensor:
        """[M, B, K] codes of rows [M, B, D]: their posterior means where the encoder is stochastic."""
        return cast(Tensor, self.encoder(rows)[..., :code])

    def posterior(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log variances [M, B, K] of the codes of rows [M, B, D], of a stochastic encoder."""
        mean, log_variance = self.encoder(rows).chunk(2, dim=-1)
        return mean, log_variance.clamp(*_SPREAD)

    def drawn(self, rows: Tensor, code: int, random: torch.Generator) -> Tensor:
        """[M, B, K] a code of each row [M, B, D]: drawn from its posterior where the encoder is stochastic."""
        if not self._stochastic:
            return self.encode(rows, code)
        return drawn_around(*self.posterior(rows), random)

    def decode(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """[M, B, D] the mean record at codes [M, B, K], and the log variance of the noise around it, of the same shape or
        [M, 1, D]."""
        decoded = self.decoder(codes)
        if not self._noise_by_record:
            return decoded, self.log_noise.clamp(*_NOISE)
        mean, change = decoded.chunk(2, dim=-1)
        return mean, (self.log_noise + change).clamp(*_NOISE)

    def negative_log_likelihood(self, rows: Tensor, codes: Tensor) -> Tensor:
        """[M] mean over rows [M, B, D] of -log N(row; decoded code, noise), less its constant, in nats."""
        mean, log_noise = self.decode(codes)
        squared = (rows - mean).square()
        return 0.5 * (squared * (-log_noise).exp() + log_noise).sum(dim=-1).mean(dim=-1)


def _layers(inputs: int, outputs: int, plan: TrainingPlan, random: torch.Generator, gain: float = 1.0) -> nn.Sequential:
    """Inputs -> hidden, as many times as the plan says -> outputs; `gain` is the last one's."""
    layers: list[nn.Module] = []
    for _ in range(plan.layers):
        layers += [MemberLinear(plan.members, inputs, plan.hidden, random), nn.ReLU()]
        inputs = plan.hidden
    return nn.Sequential(*layers, MemberLinear(plan.members, inputs, outputs, random, gain))


class Critic(nn.Module):  # type: ignore[misc]
    """Tells codes from draws of N(0, I): K -> 128 -> 128 -> 1, per member."""

    def __init__(self, plan: TrainingPlan, random: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            MemberLinear(plan.members, plan.code, 128, random),
            nn.LeakyReLU(0.2),
            MemberLinear(plan.members, 128, 128, random),
            nn.LeakyReLU(0.2),
            MemberLinear(plan.members, 128, 1, random),
        )

    def forward(self, codes: Tensor) -> Tensor:
        """[M, B, 1] positive where it takes codes [M, B, K] for draws of N(0, I)."""
        return cast(Tensor, self.layers(codes))
