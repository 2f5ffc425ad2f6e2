"""What a component is: how it learns from training rows, and what it then says about others.

training rows -> Component.fit -> Fitted; a view of N records -> anomaly scores [N]

What it looks at is its view: of records that stand alone each row beside the normal rows nearest to it
(`latentwatch.detector.rows.met`), of sequences context rows (`latentwatch.detector.components.context_rows`). Where that
stands, and what all components of a model share, is its ground: the normal rows that are kept, or the layout of a context row.

To add one: write its file in this folder, and a line of a recipe in `latentwatch.detector.recipes`. Calibration, scoring
out of fold, the bundle and what people are shown loop over the recipe.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.model_choice import ModelChoice

Floats: TypeAlias = NDArray[np.float32]
Progress: TypeAlias = Callable[[str, float], None]
"""Told the step and the share of it that is done, 0 to 1."""
View = TypeVar("View", contravariant=True)
"""N records as a component looks at them."""
Training = TypeVar("Training", contravariant=True)
"""Views of normal records, and the fold that each belongs to."""
Ground = TypeVar("Ground", contravariant=True)
"""What the components of a model share."""


class Fitted(Protocol[View]):
    """A component that has learned. Immutable, thread-safe, numpy only."""

    def anomaly_scores(self, view: View, /) -> dict[str, Floats]:
        """Uncalibrated anomaly scores [N], under the component's names; higher is stranger."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        ...


class Component(Protocol[Training, View, Ground]):
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

    def serves(self, ground: Ground, /) -> bool:
        """Whether views on this ground hold what it looks at."""
        ...

    def fit(self, rows: Training, choice: ModelChoice, progress: Progress) -> Fitted[View]:
        """Learn from all rows. Deterministic given the choice's seed."""
        ...

    def out_of_fold(self, fitted: Any, rows: Training, seed: int) -> dict[str, Floats]:
        """Anomaly scores [N] of training rows, each by what did not learn from its fold; `fitted` is what `fit` gave."""
        ...

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], ground: Ground, /) -> Fitted[View]:
        """The inverse of `arrays`. Raises KeyError for what is missing, ValueError for what does not fit the ground."""
        ...
