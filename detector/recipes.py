"""Which components a detector asks, and how much each counts in the whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.activity import Activity
from latentwatch.detector.components.block_density import DYNAMICS, NOW
from latentwatch.detector.components.component import Component
from latentwatch.detector.components.context_rows import SequenceComponent
from latentwatch.detector.components.met_rows import RowComponent
from latentwatch.detector.components.near import Near
from latentwatch.detector.components.neighbourhood import Neighbourhood
from latentwatch.detector.components.predicted_numbers import PredictedNumbers
from latentwatch.detector.components.relations import Relations
from latentwatch.detector.components.row_state import RowState
from latentwatch.detector.components.shape import Shape
from latentwatch.detector.components.state import State
from latentwatch.detector.components.surroundings import Surroundings
from latentwatch.detector.components.tails import ColumnTails
from latentwatch.detector.components.tangent import Tangent

Floats: TypeAlias = NDArray[np.float32]
Asked = TypeVar("Asked", bound=Component[Any, Any, Any])
"""Components of records that stand alone, or of sequences."""


@dataclass(frozen=True, slots=True)
class Recipe(Generic[Asked]):
    """Components in the order they are summed."""

    weighted: tuple[tuple[Asked, tuple[float, ...]], ...]
    """Each component and the weight of each of its scores."""
    explained_by: tuple[str, ...]
    """The components that say which feature is to blame."""
    mapped_by: str
    """The component whose latent code the map shows."""

    def serving(self, ground: Any) -> Iterator[Asked]:
        """The components for which views on that ground hold what they look at."""
        return (component for component, _ in self.weighted if component.serves(ground))

    @property
    def weights(self) -> dict[str, float]:
        """By the name of an anomaly score, what it counts for."""
        return {
            name: weight
            for component, weights in self.weighted
            for name, weight in zip(component.scores, weights, strict=True)
        }

    def total(self, parts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
        """[N] the weighted sum of parts [N] by name, added in the recipe's order."""
        return np.asarray(sum(weights[name] * parts[name] for name in self.weights if name in parts), np.float32)

    def addends(self, parts: Mapping[str, Floats]) -> dict[str, Floats]:
        """[N] what each part adds to their weighted mean, by name."""
        weights = self.weights
        whole = sum(weights[name] for name in parts)
        return {name: np.asarray(weights[name] / whole * part, np.float32) for name, part in parts.items()}

    def mean(self, parts: Mapping[str, Floats]) -> Floats:
        """[N] the weighted mean of parts [N] by name."""
        weights = self.weights
        return np.asarray(self.total(parts, weights) / sum(weights[name] for name in parts), np.float32)


SEQUENCE: Recipe[SequenceComponent] = Recipe(
    weighted=(
        (NOW, (1.0,)),
        (DYNAMICS, (1.0,)),
        (Shape(), (1.0,)),
        (Activity(), (1.0,)),
        (Relations(), (0.5,)),
        (State(), (1.0, 0.5)),
    ),
    explained_by=(DYNAMICS.name,),
    mapped_by=State().name,
)
"""For records that follow one another: the mean of calibrated scores. Chosen on pumps, a chemical plant and servers,
relations by the pumps."""


ALONE: Recipe[RowComponent] = Recipe(
    weighted=(
        (Near(), (0.75,)),
        (Surroundings(), (1.0,)),
        (RowState(), (0.1, 0.1)),
        # Where normal rows lie apart, a row may lie apart from them. Neighbours that are strange themselves count against a
        # row that was learned from together with them.
        (Neighbourhood(), (-0.5, 2.5)),
        (Tangent(), (1.0,)),
        (ColumnTails(), (2.0,)),
        (PredictedNumbers(), (5.0,)),
    ),
    explained_by=(Near().name, Surroundings().name, PredictedNumbers().name),
    mapped_by=RowState().name,
)
"""For records that stand alone: anomaly scores, each half the log of a squared distance or on the scale of one, are summed
and the sum is calibrated. Chosen once, for all tables."""
