"""What the members of a state model train on, and for how long."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.model_choice import ModelKind

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Records that are to keep their places: rows [L, D], standardised, and the codes [L, K] they had before."""

    rows: Floats
    codes: Floats


@dataclass(frozen=True, slots=True)
class Examples:
    """Standardised rows to learn from."""

    rows: Floats
    """[N, D]; finite."""
    folds: NDArray[np.intp]
    """[N] the judge of that number does not train on the row."""
    landmarks: Landmarks | None = None
    """Of the version before; None for a first one."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Size and schedule of training."""

    kind: ModelKind
    code: int
    """K"""
    judges: int = 3
    """Members that each leave one fold out."""
    mapped: bool = True
    """Whether one more member, the last, sees all rows."""
    hidden: int = 64
    layers: int = 1
    """Of `hidden` units, in the encoder and in the decoder each."""
    noise_by_record: bool = False
    """Whether the decoder says how wide the noise of each record is, instead of one width per column. Only to sample from: a
    detector that may widen its noise excuses what it cannot reconstruct."""
    steps: int = 300
    """Of the judges: more detect nothing more."""
    map_steps: int = 600
    """Of the member that sees all rows: with fewer its map is less like that of the version before."""
    batch: int = 128
    learning_rate: float = 3e-3
    seed: int = 0

    @property
    def members(self) -> int:
        """M, the judges and the one that sees all rows."""
        return self.judges + self.mapped


def rows_seen(member: int, examples: Examples, plan: TrainingPlan) -> NDArray[np.intp]:
    """The rows that a member may train on: a judge all but its fold, the last member all of them."""
    seen = np.flatnonzero((examples.folds != member) | (member >= plan.judges))
    return seen if len(seen) else np.arange(len(examples.rows))
