"""What components of sequences look at, and what they learn from: context rows of records that follow one another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Component, Floats
from latentwatch.detector.components.folds import FOLDS
from latentwatch.detector.latent.basis import Basis
from latentwatch.detector.sequences.layout import Layout

LEARNED = 0.2
"""What most components learn of their own rows: see `SequenceComponent.learned`."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Context rows of normal records, and the time block each belongs to: its fold."""

    features: Floats
    """[N, D]"""
    layout: Layout
    folds: NDArray[np.intp]
    """[N] 0 to FOLDS - 1"""
    inner: NDArray[np.bool_]
    """[N] whether a row is not within a gap of another fold."""
    charts: Floats
    """[N, C] the charts of each row, by regressions that did not see its fold."""
    basis: Basis | None = None
    """Of the version before, in this one's scaling: its landmarks are to keep their places."""

    def outside(self, fold: int) -> NDArray[np.intp]:
        """The rows that a model may see which is to score `fold`."""
        return np.flatnonzero((self.folds != fold) & self.inner)

    def within(self, fold: int) -> NDArray[np.intp]:
        """The rows of a fold."""
        return np.flatnonzero(self.folds == fold)


class SequenceComponent(Component[TrainingRows, Floats, Layout], Protocol):
    """A component of records that follow one another: it looks at context rows [N, D]."""

    @property
    def learned(self) -> float:
        """How far the anomaly scores of fresh records lie from those out of fold towards those in the sample, 0 to 1."""
        ...


class Conditionals(NamedTuple):
    """What each channel [N, C] does to a record's anomaly score, given all other channels."""

    blame: Floats
    """By how much it raises the squared distance; not negative."""
    expected: Floats
    """The scaled value that would raise it least."""


@runtime_checkable
class Explaining(Protocol):
    """A fitted component that can say which channel is to blame, and which records are alike."""

    def conditionals(self, features: Floats) -> Conditionals:
        """Blame and expected values of context rows [N, D]."""
        ...

    def whiten(self, features: Floats) -> Floats:
        """[N, K] coordinates in which near records are alike."""
        ...


@runtime_checkable
class Coded(Protocol):
    """A fitted component with a latent code, which a map can show."""

    @property
    def basis(self) -> Basis:
        """What keeps the map in place."""
        ...

    def places(self, codes: Floats) -> Floats:
        """[N, 2] where codes [N, K] lie on the map."""
        ...

    def codes(self, features: Floats) -> Floats:
        """[N, K] latent codes of context rows [N, D]."""
        ...

    def decode(self, codes: Floats) -> Floats:
        """[N, W] the mean of the first W numbers of a context row at codes [N, K]."""
        ...


class Scoring(Protocol):
    """Anything that gives rows [N, W] anomaly scores [N]."""

    def anomaly_score(self, rows: Floats) -> Floats:
        """[N]"""
        ...


def score_out_of_fold(rows: TrainingRows, look: Callable[[Floats], Floats], fit: Callable[[Floats], Scoring]) -> Floats:
    """[N] anomaly scores of each fold by what was fitted on the others; `look` takes from context rows [N, D] what it sees."""
    out = np.empty(len(rows.features), np.float32)
    for fold in range(FOLDS):
        inside = rows.within(fold)
        out[inside] = fit(look(rows.features[rows.outside(fold)])).anomaly_score(look(rows.features[inside]))
    return out
