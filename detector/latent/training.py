"""Trains the members of a state model by torch.optim: the judges together, then the one that sees all rows.

Examples, TrainingPlan -> Network. Each member draws its own rows. The last one is held to landmarks, so that records keep
their codes from one version to the next, and is trained for longer.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from latentwatch.detector.latent.examples import Examples, TrainingPlan, rows_seen
from latentwatch.detector.latent.kinds import OBJECTIVES
from latentwatch.detector.latent.networks import Autoencoder, MemberLinear, stored
from latentwatch.detector.latent.served_network import Network

_HELD = 300.0
"""How much a landmark's squared distance from its place counts against a nat of likelihood."""
_HELD_BATCH = 256

Progress = Callable[[float], None]


def train_network(examples: Examples, plan: TrainingPlan, progress: Progress) -> Network:
    """M trained members as they serve; `progress` is told the share done, 0 to 1."""
    judging, mapping = replace(plan, mapped=False), replace(plan, judges=0, steps=plan.map_steps)
    apart = plan.steps / (plan.steps + plan.map_steps)  # a step of one member takes about as long as one of three
    judges = train_autoencoder(replace(examples, landmarks=None), judging, lambda share: progress(apart * share))
    last = train_autoencoder(examples, mapping, lambda share: progress(apart + (1 - apart) * share))
    return _served(judges, plan).beside(_served(last, plan))


def _served(network: Autoencoder, plan: TrainingPlan) -> Network:
    encoder = [layer for layer in network.encoder if isinstance(layer, MemberLinear)]
    decoder = [layer for layer in network.decoder if isinstance(layer, MemberLinear)]
    return Network(
        (*map(stored, encoder[:-1]), stored(encoder[-1], plan.code)), tuple(stored(layer) for layer in decoder)
    )


def train_autoencoder(examples: Examples, plan: TrainingPlan, progress: Progress) -> Autoencoder:
    """M trained members, by the plan as its kind needs it. Deterministic given the plan's seed; `progress` is told the share
    done, 0 to 1."""
    plan = OBJECTIVES[plan.kind].suited(plan, len(examples.rows))
    random = torch.Generator().manual_seed(plan.seed)
    rows = torch.from_numpy(np.ascontiguousarray(examples.rows, np.float32))
    seen = [torch.from_numpy(rows_seen(member, examples, plan)) for member in range(plan.members)]
    objective = OBJECTIVES[plan.kind](rows.shape[1], plan, random)
    network = objective.network
    optimiser = torch.optim.Adam(network.parameters(), plan.learning_rate, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.learning_rate, total_steps=plan.steps + 1, pct_start=0.15, cycle_momentum=False
    )
    for step in range(plan.steps):
        drawn = torch.stack([mine[torch.randint(len(mine), (plan.batch,), generator=random)] for mine in seen])
        loss = objective.loss(rows[drawn])
        if examples.landmarks is not None:
            loss = loss + _HELD * _off_their_places(objective.network, examples, plan, random)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        objective.after_step()
        schedule.step()
        if step % 25 == 0:
            progress(step / plan.steps)
    return network


def _off_their_places(
    network: torch.nn.Module, examples: Examples, plan: TrainingPlan, random: torch.Generator
) -> Tensor:
    """The mean squared distance of some landmarks' codes, by the last member, from their places."""
    landmarks = examples.landmarks
    assert landmarks is not None
    drawn = torch.randint(len(landmarks.rows), (_HELD_BATCH,), generator=random).numpy()
    rows = torch.from_numpy(landmarks.rows[drawn]).expand(plan.members, -1, -1)
    off = network.encode(rows, plan.code)[-1] - torch.from_numpy(landmarks.codes[drawn])
    return off.square().mean()
