"""The components of a recipe, fitted: a view of N records in, anomaly scores [N] by name out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Component, Fitted, Floats, Progress
from latentwatch.detector.recipes import Recipe
from latentwatch.domain.model_choice import ModelChoice

View = TypeVar("View")
Training = TypeVar("Training")
Ground = TypeVar("Ground")


@dataclass(frozen=True, slots=True)
class FittedRecipe(Generic[Training, View, Ground]):
    """Fitted components on their ground. Immutable, thread-safe."""

    recipe: Recipe[Any]
    ground: Ground
    components: dict[str, Fitted[View]]
    """By name, in the recipe's order; those for which views on the ground hold what they look at."""

    @property
    def asked(self) -> tuple[Component[Training, View, Ground], ...]:
        """Its components as they were before they learned."""
        return tuple(self.recipe.serving(self.ground))

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of its anomaly scores."""
        return tuple(name for component in self.asked for name in component.scores)

    def anomaly_scores(self, view: View) -> dict[str, Floats]:
        """Anomaly scores [N] by name."""
        return self.scores_of(self.components, view)

    def scores_of(self, names: Iterable[str], view: View) -> dict[str, Floats]:
        """Anomaly scores [N] by name, of the components named alone."""
        out: dict[str, Floats] = {}
        for name in names:
            out |= self.components[name].anomaly_scores(view)
        return out

    def out_of_fold(self, rows: Training, seed: int) -> dict[str, Floats]:
        """Anomaly scores [N] by name, of training rows, each by what did not learn from its fold."""
        out: dict[str, Floats] = {}
        for component in self.asked:
            out |= component.out_of_fold(self.components[component.name], rows, seed)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array of the components."""
        out: dict[str, NDArray[Any]] = {}
        for component in self.asked:
            out |= prefixed(component.stored_under, self.components[component.name].arrays())
        return out


def fit_components(
    recipe: Recipe[Any], ground: Any, rows: Any, choice: ModelChoice, progress: Progress
) -> dict[str, Fitted[Any]]:
    """Fit every component of the recipe for which views on the ground hold what it looks at."""
    return {component.name: component.fit(rows, choice, progress) for component in recipe.serving(ground)}


def load_components(recipe: Recipe[Any], ground: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Fitted[Any]]:
    """The inverse of `FittedRecipe.arrays`. Raises KeyError for what is missing, ValueError for what does not fit the ground."""
    return {
        component.name: component.from_bundle(below(arrays, component.stored_under), ground)
        for component in recipe.serving(ground)
    }
