"""What an autoencoder trains on, and how long and how wide."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.model_choice import ModelKind

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RowExamples:
    """N training rows of P columns, already scaled: a column's spread is of order 1."""

    rows: Floats
    """[N, P] what is reconstructed; finite."""
    aside: Floats | None = None
    """[N, C] what the network sees uncorrupted beside the row."""
    baseline: Floats | None = None
    """[N, P] what the network's output is added to."""
    importance: Floats | None = None
    """[P] weight of each column in the loss, not negative; 1 without it."""
    present: Floats | None = None
    """[N, P] 1 where a value was observed and 0 where it was missing: there nothing is to be reconstructed."""
    folds: NDArray[np.intp] | None = None
    """[N] member m does not train on the rows of fold m, and stops by how well it does on them."""


@dataclass(frozen=True, slots=True)
class RowTrainingPlan:
    """Size and schedule of training."""

    kind: ModelKind = ModelKind.DENOISING
    members: int = 5
    hidden: tuple[int, ...] = (64,)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    code: int = 16
    steps: int = 600
    batch: int = 256
    learning_rate: float = 3e-3
    patience: int = 5
    """Looks at held-out rows without progress after which training stops; there are 20 looks in all."""
    seed: int = 0
