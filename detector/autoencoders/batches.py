"""Draws what a step of training looks at: for each member a batch of its own rows, half of them swapped, half noisy.

Examples -> Batch, batch after batch in the same room, so that no step asks for memory
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentwatch.detector.autoencoders.examples import Examples, Floats
from latentwatch.detector.kernels import compiled

HELD_OUT = 2
"""How many batches of held-out rows a look may cost."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B rows for each of M members."""

    seen: Tensor
    """[M, B, P + C] what goes in: the rows, corrupted where that is asked for, and what stands beside them."""
    wanted: Tensor
    """[M, B, P] what should come out: the clean rows less their baseline."""
    share: Tensor
    """[M, B, P], or [1, 1, P] for all: how much each value counts; a row's shares sum to 1."""


class Draws:
    """Rows, and which of them each member may draw."""

    def __init__(self, examples: Examples, members: int, size: int, random: torch.Generator) -> None:
        """Room for batches of `size` rows a member."""
        count, width = examples.rows.shape
        self._random = random
        self._rows = np.ascontiguousarray(examples.rows, np.float32)
        self._aside = np.zeros((count, 0), np.float32)
        if examples.aside is not None:
            self._aside = np.ascontiguousarray(examples.aside, np.float32)
        self._wanted = self._rows if examples.baseline is None else self._rows - examples.baseline
        self._share = _shares(examples)
        own = _own_rows(examples.folds, count, members)
        self._counts = torch.tensor([[float(len(rows))] for rows in own], dtype=torch.float64)
        self._mine = np.zeros((members, max(len(rows) for rows in own)), np.int64)
        for member, rows in enumerate(own):
            self._mine[member, : len(rows)] = rows
        self.inputs, self.outputs = width + self._aside.shape[1], width
        self._batch = self._room(members, size)
        self._half = size // 2
        self._lots = torch.empty(members, size + self._half, dtype=torch.float64)
        self._rates = torch.empty(members, self._half)
        self._swaps = torch.empty(members, self._half, width)
        self._spreads = torch.empty(members, size - self._half)
        self._noise = torch.empty(members, size - self._half, width)
        self.held_out = self._pick(_held_out_rows(examples.folds, count, members, HELD_OUT * size, random))

    def draw(self, corrupted: bool) -> Batch:
        """The next batch, in the room of the one before.

        Where corrupted, half of the rows have values swapped with another row the member may see, at a rate drawn per
        row from U(0, 1/2), half have Gaussian noise whose spread is drawn per row, log-uniformly from 0.05 to 1.
        """
        places = (self._lots.uniform_(generator=self._random) * self._counts).numpy()
        size = self._batch.seen.shape[1]
        index, others = (_chosen(self._mine, part) for part in (places[:, :size], places[:, size:]))
        self._fill(index, self._batch)
        if corrupted:
            self._rates.uniform_(0.0, 0.5, generator=self._random)
            self._swaps.uniform_(generator=self._random)
            torch.pow(0.05, self._spreads.uniform_(generator=self._random), out=self._spreads)
            self._noise.normal_(generator=self._random)
            parts = (self._rates, self._swaps, self._spreads, self._noise, self._batch.seen)
            corrupt(self._rows, others, *(part.numpy() for part in parts))
        return self._batch

    def _room(self, members: int, size: int) -> Batch:
        share = torch.empty(members, size, self.outputs)
        if len(self._share) == 1:
            share = torch.from_numpy(self._share)[None]
        return Batch(torch.empty(members, size, self.inputs), torch.empty(members, size, self.outputs), share)

    def _pick(self, index: NDArray[np.int64]) -> Batch:
        batch = self._room(*index.shape)
        self._fill(index, batch)
        return batch

    def _fill(self, index: NDArray[np.int64], batch: Batch) -> None:
        gather(index, self._rows, self._aside, batch.seen.numpy())
        gather(index, self._wanted, self._wanted[:, :0], batch.wanted.numpy())
        if len(self._share) > 1:
            gather(index, self._share, self._share[:, :0], batch.share.numpy())


def _chosen(mine: NDArray[np.int64], places: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.take_along_axis(mine, places.astype(np.int64), axis=1)


def _shares(examples: Examples) -> Floats:
    width = examples.rows.shape[1]
    weight = np.ones((1, width), np.float32) if examples.importance is None else examples.importance[None]
    weight = weight if examples.present is None else weight * examples.present
    shares: Floats = (weight / (weight.sum(axis=1, keepdims=True) + 1e-6)).astype(np.float32)
    return shares


@compiled
def gather(index: NDArray[np.int64], first: Floats, second: Floats, out: Floats) -> None:
    """out [M, B, P + C] = the rows of `first` [N, P] and `second` [N, C] side by side, by index [M, B]."""
    width, more = first.shape[1], second.shape[1]
    for member in range(index.shape[0]):
        for at in range(index.shape[1]):
            row, line = index[member, at], out[member, at]
            for j in range(width):
                line[j] = first[row, j]
            for j in range(more):
                line[width + j] = second[row, j]


@compiled
def corrupt(
    rows: Floats,
    others: NDArray[np.int64],
    rates: Floats,
    swaps: Floats,
    spreads: Floats,
    noise: Floats,
    seen: Floats,
) -> None:
    """Corrupt `seen` [M, B, P + C] in place: its first half by swapping with rows by `others`, the rest by noise."""
    members, half, width = swaps.shape
    for member in range(members):
        for at in range(half):
            line, other, lots, rate = seen[member, at], rows[others[member, at]], swaps[member, at], rates[member, at]
            for j in range(width):
                line[j] = other[j] if lots[j] < rate else line[j]
        for at in range(noise.shape[1]):
            line, spread, errors = seen[member, half + at], spreads[member, at], noise[member, at]
            for j in range(width):
                line[j] += spread * errors[j]


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
