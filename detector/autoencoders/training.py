"""Trains an ensemble of autoencoders at once: every product is over [members, batch, width], never a loop over members.

Examples, TrainingPlan -> Network. Each member draws its own rows and its own corruption, leaves out its own fold, and
keeps the weights that did best on that fold.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from latentwatch.detector.autoencoders.adam import Adam, one_cycle
from latentwatch.detector.autoencoders.batches import Draws
from latentwatch.detector.autoencoders.examples import Examples, TrainingPlan
from latentwatch.detector.autoencoders.kinds import KINDS, Autoencoder
from latentwatch.detector.autoencoders.linear import fit_linear
from latentwatch.detector.autoencoders.network import Layer, Network
from latentwatch.domain.monitor import ModelKind

LOOKS = 20
"""How often training looks at held-out rows."""

Progress = Callable[[float], None]


def train_network(examples: Examples, plan: TrainingPlan, progress: Progress | None = None) -> Network:
    """Train `plan.members` autoencoders of `plan.kind` on the examples. Deterministic given the plan's seed."""
    if plan.kind is ModelKind.LINEAR:
        return fit_linear(examples, plan)
    random = torch.Generator().manual_seed(plan.seed)
    draws = Draws(examples, plan.members, plan.batch, random)
    kind = KINDS[plan.kind](draws.inputs, draws.outputs, plan, random)
    best = [parameter.detach().clone() for parameter in kind.parameters]
    best_loss = torch.full((plan.members,), torch.inf)
    optimiser = Adam(kind.parameters, (0.9, 0.98))
    every, waited = max(1, plan.steps // LOOKS), 0
    for step in range(1, plan.steps + 1):
        kind.find_gradient(draws.draw(kind.corrupted))
        optimiser.step(one_cycle(step / plan.steps, plan.learning_rate))
        kind.after_step()
        if step % every and step != plan.steps:
            continue
        with torch.no_grad():
            loss = kind.error(draws.held_out)
        better = loss < best_loss
        best_loss = torch.where(better, loss, best_loss)
        for kept, parameter in zip(best, kind.parameters, strict=True):
            kept[better] = parameter.detach()[better]
        waited = 0 if bool(better.any()) else waited + 1
        if progress is not None:
            progress(step / plan.steps)
        if waited >= plan.patience:
            break
    return _to_numpy(kind, best)


def _to_numpy(kind: Autoencoder, best: list[Tensor]) -> Network:
    with torch.no_grad():
        for parameter, kept in zip(kind.parameters, best, strict=True):
            parameter.copy_(kept)
    encoder, decoder = kind.layers()
    return Network(tuple(_layer(*pair) for pair in encoder), tuple(_layer(*pair) for pair in decoder))


def _layer(weight: Tensor, bias: Tensor) -> Layer:
    return Layer(weight.detach().contiguous().numpy().copy(), bias.detach()[:, 0].contiguous().numpy().copy())
