"""Draws what a step of training looks at: for each member a batch of its own rows, half of them swapped, half noisy.

RowExamples -> TrainingBatch
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentwatch.detector.autoencoders.examples import Floats, RowExamples

HELD_OUT = 2
"""How many batches of held-out rows a look may cost."""


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """B rows for each of M members."""

    seen: Tensor
    """[M, B, P + C] what goes in: the rows, corrupted where that is asked for, and what stands beside them."""
    wanted: Tensor
    """[M, B, P] what should come out: the clean rows less their baseline."""
    share: Tensor
    """[M, B, P], or [1, 1, P] for all: how much each value counts; a row's shares sum to 1."""


class Draws:
    """Rows, and which of them each member may draw."""

    def __init__(self, examples: RowExamples, members: int, size: int, random: torch.Generator) -> None:
        """For batches of `size` rows a member."""
        count, width = examples.rows.shape
        self._random, self._size = random, size
        self._rows = _tensor(examples.rows)
        self._aside = None if examples.aside is None else _tensor(examples.aside)
        self._wanted = self._rows if examples.baseline is None else self._rows - _tensor(examples.baseline)
        self._share = _tensor(_shares(examples))
        self._own = [torch.from_numpy(rows) for rows in _own_rows(examples.folds, count, members)]
        self.inputs, self.outputs = width + (0 if examples.aside is None else examples.aside.shape[1]), width
        held_out = _held_out_rows(examples.folds, count, members, HELD_OUT * size, random)
        self.held_out = self._batch(torch.from_numpy(held_out))

    def draw(self, corrupted: bool) -> TrainingBatch:
        """The next batch.

        Where corrupted, half of the rows have values swapped with another row the member may see, at a rate drawn per
        row from U(0, 1/2), half have Gaussian noise whose spread is drawn per row, log-uniformly from 0.05 to 1.
        """
        return self._batch(self._drawn(self._size), corrupted)

    def _drawn(self, count: int) -> Tensor:
        return torch.stack([mine[torch.randint(len(mine), (count,), generator=self._random)] for mine in self._own])

    def _batch(self, index: Tensor, corrupted: bool = False) -> TrainingBatch:
        rows = self._rows[index]
        seen = self._corrupted(rows) if corrupted else rows
        if self._aside is not None:
            seen = torch.cat([seen, self._aside[index]], dim=2)
        return TrainingBatch(
            seen, self._wanted[index], self._share[index] if len(self._share) > 1 else self._share[None]
        )

    def _corrupted(self, rows: Tensor) -> Tensor:
        half = rows.shape[1] // 2
        others = self._rows[self._drawn(half)]
        rate = 0.5 * torch.rand((len(rows), half, 1), generator=self._random)
        swapped = torch.where(torch.rand(others.shape, generator=self._random) < rate, others, rows[:, :half])
        noisy = rows[:, half:]
        spread = 0.05 ** torch.rand((*noisy.shape[:2], 1), generator=self._random)
        return torch.cat([swapped, noisy + spread * torch.randn(noisy.shape, generator=self._random)], dim=1)


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _shares(examples: RowExamples) -> Floats:
    width = examples.rows.shape[1]
    weight = np.ones((1, width), np.float32) if examples.importance is None else examples.importance[None]
    weight = weight if examples.present is None else weight * examples.present
    shares: Floats = (weight / (weight.sum(axis=1, keepdims=True) + 1e-6)).astype(np.float32)
    return shares


def _own_rows(folds: NDArray[np.intp] | None, count: int, members: int) -> list[NDArray[np.intp]]:
    everything = np.arange(count)
    if folds is None:
        return [everything] * members
    own = [np.flatnonzero(folds != member) for member in range(members)]
    return [rows if len(rows) else everything for rows in own]


def _held_out_rows(
    folds: NDArray[np.intp] | None, count: int, members: int, most: int, random: torch.Generator
) -> NDArray[np.int64]:
    """[M, H] rows that each member does not train on; any rows where there are no folds."""
    size = min(most, max(count // max(members, 2), 1))
    chosen = []
    for member in range(members):
        rows = np.arange(count) if folds is None else np.flatnonzero(folds == member)
        rows = rows if len(rows) else np.arange(count)
        drawn = rows[torch.randperm(len(rows), generator=random)[:size].numpy()]
        chosen.append(drawn[np.arange(size) % len(drawn)])
    return np.stack(chosen).astype(np.int64)
