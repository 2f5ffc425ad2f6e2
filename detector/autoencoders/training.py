"""Trains an ensemble of autoencoders at once: every product is over [members, batch, width], never a loop over members.

Examples, TrainingPlan -> Network. Each member draws its own rows and its own corruption, leaves out its own fold, and
keeps the weights that did best on that fold.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detector.autoencoders.adam import Adam, one_cycle
from detector.autoencoders.examples import Examples, TrainingPlan
from detector.autoencoders.kinds import KINDS, Batch, Denoising
from detector.autoencoders.linear import fit_linear
from detector.autoencoders.network import Layer, Network
from domain.monitor import ModelKind

LOOKS = 20
"""How often training looks at held-out rows."""
HELD_OUT = 512
"""How many held-out rows a look may cost."""

Progress = Callable[[float], None]


def train_network(examples: Examples, plan: TrainingPlan, progress: Progress | None = None) -> Network:
    """Train `plan.members` autoencoders of `plan.kind` on the examples. Deterministic given the plan's seed."""
    if plan.kind is ModelKind.LINEAR:
        return fit_linear(examples, plan)
    random = torch.Generator().manual_seed(plan.seed)
    data = _Data(examples, plan.members, random)
    kind = KINDS[plan.kind](data.inputs, data.outputs, plan, random)
    best = [parameter.detach().clone() for parameter in kind.parameters]
    best_loss = torch.full((plan.members,), torch.inf)
    optimiser = Adam(kind.parameters, (0.9, 0.98))
    every, waited = max(1, plan.steps // LOOKS), 0
    for step in range(1, plan.steps + 1):
        kind.loss(data.draw(plan.batch)).backward()
        optimiser.step(one_cycle(step / plan.steps, plan.learning_rate))
        kind.after_step()
        if step % every and step != plan.steps:
            continue
        with torch.no_grad():
            loss = kind.error(data.held_out)
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


class _Data:
    """Rows as tensors, and which of them each member may draw."""

    def __init__(self, examples: Examples, members: int, random: torch.Generator) -> None:
        count, width = examples.rows.shape
        self._random = random
        self._rows = _tensor(examples.rows)
        self._aside = torch.zeros(count, 0) if examples.aside is None else _tensor(examples.aside)
        self._baseline = None if examples.baseline is None else _tensor(examples.baseline)
        self._present = None if examples.present is None else _tensor(examples.present)
        self._importance = torch.ones(width) if examples.importance is None else _tensor(examples.importance)
        own = _own_rows(examples.folds, count, members)
        self._counts = torch.tensor([[len(rows)] for rows in own])
        self._mine = torch.nn.utils.rnn.pad_sequence(own, batch_first=True)
        self.inputs = width + self._aside.shape[1]
        self.outputs = width
        self.held_out = self._pick(_blind_rows(examples.folds, count, members, random))

    def draw(self, size: int) -> Batch:
        """A fresh batch [M, B, ...]: B rows for each member out of its own, and half as many to swap values with."""
        return self._pick(self._indices(size), self._indices(size // 2))

    def _indices(self, size: int) -> Tensor:
        """[M, size] rows that each member may draw, by a number far larger than there are rows."""
        drawn = torch.randint(1 << 40, (len(self._mine), size), generator=self._random)
        return self._mine.gather(1, drawn % self._counts)

    def _pick(self, index: Tensor, other: Tensor | None = None) -> Batch:
        rows = self._rows[index]
        return Batch(
            rows=rows,
            aside=self._aside[index],
            baseline=torch.zeros(()) if self._baseline is None else self._baseline[index],
            weight=self._importance if self._present is None else self._importance * self._present[index],
            others=rows if other is None else self._rows[other],
        )


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _own_rows(folds: NDArray[Any] | None, count: int, members: int) -> list[Tensor]:
    everything = torch.arange(count)
    if folds is None:
        return [everything] * members
    own = [torch.from_numpy(np.flatnonzero(folds != member)) for member in range(members)]
    return [rows if len(rows) else everything for rows in own]


def _blind_rows(folds: NDArray[Any] | None, count: int, members: int, random: torch.Generator) -> Tensor:
    """[M, H] rows that each member does not train on; any rows where there are no folds."""
    size = min(HELD_OUT, max(count // max(members, 2), 1))
    chosen = []
    for member in range(members):
        rows = torch.arange(count) if folds is None else torch.from_numpy(np.flatnonzero(folds == member))
        rows = rows if len(rows) else torch.arange(count)
        chosen.append(rows[torch.randperm(len(rows), generator=random)[:size]])
    return torch.stack([rows[torch.arange(size) % len(rows)] for rows in chosen])


def _to_numpy(kind: Denoising, best: list[Tensor]) -> Network:
    with torch.no_grad():
        for parameter, kept in zip(kind.parameters, best, strict=True):
            parameter.copy_(kept)
    encoder, decoder = kind.layers()
    return Network(tuple(_layer(*pair) for pair in encoder), tuple(_layer(*pair) for pair in decoder))


def _layer(weight: Tensor, bias: Tensor) -> Layer:
    return Layer(weight.detach().contiguous().numpy().copy(), bias.detach()[:, 0].contiguous().numpy().copy())
