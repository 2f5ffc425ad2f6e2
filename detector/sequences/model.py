"""A trained model of sequences: the components of a recipe, fitted.

Context rows [N, D] → anomaly scores [N] by name; numpy and numba only.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.context_rows import Coded, Explaining, TrainingRows
from latentwatch.detector.fitted_recipe import FittedRecipe, fit_components, load_components
from latentwatch.detector.recipes import SEQUENCE
from latentwatch.detector.sequences.layout import Layout
from latentwatch.domain.model_choice import ModelChoice

_CHUNK = 4096


class SequenceModel(FittedRecipe[TrainingRows, Floats, Layout]):
    """Everything that turns a context row into anomaly scores."""

    __slots__ = ()

    @property
    def layout(self) -> Layout:
        """Where in a context row stands what its components look at."""
        return self.ground

    @property
    def explaining(self) -> Explaining:
        """The component that says which feature is to blame."""
        (name,) = SEQUENCE.explained_by
        found = self.components[name]
        if not isinstance(found, Explaining):
            raise TypeError(f"{name} cannot explain")
        return found

    @property
    def coded(self) -> Coded:
        """The component whose latent code the map shows."""
        found = self.components[SEQUENCE.mapped_by]
        if not isinstance(found, Coded):
            raise TypeError(f"{SEQUENCE.mapped_by} has no latent code")
        return found

    def in_sample(self, rows: TrainingRows) -> dict[str, Floats]:
        """Anomaly scores [N] by name, of training rows by what was fitted on them all."""
        count = len(rows.features)
        parts = [self.anomaly_scores(rows.features[at : at + _CHUNK]) for at in range(0, count, _CHUNK)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], layout: Layout) -> Self:
        """The inverse of `arrays`. Raises KeyError for what is missing, ValueError for what does not fit the layout."""
        return cls(SEQUENCE, layout, load_components(SEQUENCE, layout, arrays))


def fit_model(rows: TrainingRows, choice: ModelChoice, progress: Progress) -> SequenceModel:
    """Fit every component of the recipe for which the context holds what it looks at."""
    return SequenceModel(SEQUENCE, rows.layout, fit_components(SEQUENCE, rows.layout, rows, choice, progress))
