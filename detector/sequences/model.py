"""A trained model of sequences: the components of a recipe, fitted.

Context rows [N, D] → anomaly scores [N] by name; numpy and numba only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Coded, Explaining, Fitted, Progress, TrainingRows
from latentwatch.detector.recipes import SEQUENCE
from latentwatch.detector.sequences.layout import Layout
from latentwatch.domain.model_choice import ModelChoice

Floats = NDArray[np.float32]

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class SequenceModel:
    """Everything that turns a context row into anomaly scores."""

    components: dict[str, Fitted]
    """By name, in the recipe's order; those for which the context holds what they look at."""
    layout: Layout

    @property
    def explaining(self) -> Explaining:
        """The component that says which feature is to blame."""
        found = self.components[SEQUENCE.explained_by]
        if not isinstance(found, Explaining):
            raise TypeError(f"{SEQUENCE.explained_by} cannot explain")
        return found

    @property
    def coded(self) -> Coded:
        """The component whose latent code the map shows."""
        found = self.components[SEQUENCE.mapped_by]
        if not isinstance(found, Coded):
            raise TypeError(f"{SEQUENCE.mapped_by} has no latent code")
        return found

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of its anomaly scores."""
        return tuple(name for component in SEQUENCE.serving(self.layout) for name in component.scores)

    def anomaly_scores(self, features: Floats) -> dict[str, Floats]:
        """Anomaly scores [N] by name, of context rows [N, D]."""
        out: dict[str, Floats] = {}
        for component in self.components.values():
            out |= component.anomaly_scores(features)
        return out

    def in_sample(self, rows: TrainingRows) -> dict[str, Floats]:
        """Anomaly scores [N] by name, of training rows by what was fitted on them all."""
        count = len(rows.features)
        parts = [self.anomaly_scores(rows.features[at : at + _CHUNK]) for at in range(0, count, _CHUNK)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def out_of_fold(self, rows: TrainingRows, seed: int) -> dict[str, Floats]:
        """Anomaly scores [N] by name, of training rows, each by what did not learn from its fold."""
        out: dict[str, Floats] = {}
        for component in SEQUENCE.serving(self.layout):
            out |= component.out_of_fold(self.components[component.name], rows, seed)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        out: dict[str, NDArray[Any]] = {}
        for component in SEQUENCE.serving(self.layout):
            out |= prefixed(component.stored_under, self.components[component.name].arrays())
        return out

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> Self:
        """The inverse of `arrays`. Raises KeyError for what is missing, ValueError for what does not fit the layout."""
        return cls(
            {
                component.name: component.from_bundle(below(arrays, component.stored_under), layout)
                for component in SEQUENCE.serving(layout)
            },
            layout,
        )


def fit_model(rows: TrainingRows, choice: ModelChoice, progress: Progress) -> SequenceModel:
    """Fit every component of the recipe for which the context holds what it looks at."""
    fitted = {component.name: component.fit(rows, choice, progress) for component in SEQUENCE.serving(rows.layout)}
    return SequenceModel(fitted, rows.layout)
