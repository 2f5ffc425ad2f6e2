"""Trains an ensemble of autoencoders at once: every product is over [members, batch, width], never a loop over members.

RowExamples, RowTrainingPlan -> Network. Each member draws its own rows and its own corruption, leaves out its own fold, and
keeps the weights that did best on that fold.
"""

from collections.abc import Callable

import torch

from latentwatch.detector.autoencoders.batches import Draws
from latentwatch.detector.autoencoders.examples import RowExamples, RowTrainingPlan
from latentwatch.detector.autoencoders.kinds import KINDS, RowAutoencoder
from latentwatch.detector.autoencoders.linear import fit_linear
from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.latent.networks import MemberLinear, stored
from latentwatch.domain.model_choice import ModelKind

LOOKS = 20
"""How often training looks at held-out rows."""

Progress = Callable[[float], None]


def train_network(examples: RowExamples, plan: RowTrainingPlan, progress: Progress | None = None) -> Network:
    """Train `plan.members` autoencoders of `plan.kind` on the examples. Deterministic given the plan's seed."""
    if plan.kind is ModelKind.LINEAR:
        return fit_linear(examples, plan)
    random = torch.Generator().manual_seed(plan.seed)
    draws = Draws(examples, plan.members, plan.batch, random)
    network = KINDS[plan.kind](draws.inputs, draws.outputs, plan, random)
    best = {name: value.clone() for name, value in network.state_dict().items()}
    best_loss = torch.full((plan.members,), torch.inf)
    optimiser = torch.optim.Adam(network.parameters(), plan.learning_rate, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.learning_rate, total_steps=plan.steps + 1, pct_start=0.15, cycle_momentum=False
    )
    every, waited = max(1, plan.steps // LOOKS), 0
    for step in range(1, plan.steps + 1):
        optimiser.zero_grad()
        network.loss(draws.draw(network.corrupted)).backward()
        optimiser.step()
        schedule.step()
        network.after_step()
        if step % every and step != plan.steps:
            continue
        with torch.no_grad():
            loss = network.error(draws.held_out)
        better = loss < best_loss
        best_loss = torch.where(better, loss, best_loss)
        for name, value in network.state_dict().items():
            best[name][better] = value[better]
        waited = 0 if bool(better.any()) else waited + 1
        if progress is not None:
            progress(step / plan.steps)
        if waited >= plan.patience:
            break
    network.load_state_dict(best)
    return _to_numpy(network)


def _to_numpy(network: RowAutoencoder) -> Network:
    encoder, decoder = (
        [layer for layer in half if isinstance(layer, MemberLinear)] for half in (network.encoder, network.decoder)
    )
    code = network.plan.code
    return Network((*map(stored, encoder[:-1]), stored(encoder[-1], code)), tuple(stored(layer) for layer in decoder))
