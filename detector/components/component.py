"""What a component is: how it learns from training rows, and what it then says about others.

TrainingRows -> Component.fit -> Fitted; context rows [N, D] -> anomaly scores [N]

To add one: write its file in this folder, and a line of a recipe in `latentwatch.detector.recipes`. Calibration, scoring
out of fold, the bundle and what people are shown loop over the recipe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.folds import FOLDS
from latentwatch.detector.latent.basis import Basis
from latentwatch.detector.sequences.layout import Layout
from latentwatch.domain.model_choice import ModelChoice

Floats: TypeAlias = NDArray[np.float32]
Progress: TypeAlias = Callable[[str, float], None]
"""Told the step and the share of it that is done, 0 to 1."""

LEARNED = 0.2
"""What most components learn of their own rows: see `Component.learned`."""


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


class Fitted(Protocol):
    """A component that has learned. Immutable, thread-safe, numpy only."""

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """Uncalibrated anomaly scores [N] of context rows [N, D], under the component's names; higher is stranger."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        ...


class Component(Protocol):
    """A way of asking whether a record is normal, before it has learned anything. Immutable.

    Most give one anomaly score; some give several, because they share their work.
    """

    @property
    def name(self) -> str:
        """Its own name."""
        ...

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of its anomaly scores."""
        ...

    @property
    def stored_under(self) -> str:
        """Before the names of its arrays in a bundle."""
        ...

    @property
    def learned(self) -> float:
        """How far the anomaly scores of fresh records lie from those out of fold towards those in the sample, 0 to 1."""
        ...

    def serves(self, layout: Layout) -> bool:
        """Whether context rows of this layout hold what it looks at."""
        ...

    def fit(self, rows: TrainingRows, choice: ModelChoice, progress: Progress) -> Fitted:
        """Learn from all rows. Deterministic given the choice's seed."""
        ...

    def out_of_fold(self, fitted: Any, rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """Anomaly scores [N] of the training rows, each by what did not learn from its fold; `fitted` is what `fit` gave."""
        ...

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> Fitted:
        """The inverse of `arrays`. Raises KeyError for what is missing, ValueError for what does not fit the layout."""
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
