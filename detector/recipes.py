"""Which components a detector asks, and how much each counts in the whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.activity import Activity
from latentwatch.detector.components.block_density import DYNAMICS, LEVEL, NOW
from latentwatch.detector.components.component import Component
from latentwatch.detector.components.relations import Relations
from latentwatch.detector.components.shape import Shape
from latentwatch.detector.components.state import State
from latentwatch.detector.sequences.layout import Layout

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Components in the order they are summed."""

    weighted: tuple[tuple[Component, tuple[float, ...]], ...]
    """Each component and the weight of each of its scores."""
    explained_by: str
    """The component that says which feature is to blame and which records are alike."""
    mapped_by: str
    """The component whose latent code the map shows."""

    def serving(self, layout: Layout) -> Iterator[Component]:
        """The components for which context rows of that layout hold what they look at."""
        return (component for component, _ in self.weighted if component.serves(layout))

    @property
    def weights(self) -> dict[str, float]:
        """By the name of an anomaly score, what its surprise counts for."""
        return {
            name: weight
            for component, weights in self.weighted
            for name, weight in zip(component.scores, weights, strict=True)
        }

    @property
    def learned(self) -> dict[str, float]:
        """By the name of an anomaly score, its component's `learned`."""
        return {name: component.learned for component, _ in self.weighted for name in component.scores}

    def fuse(self, surprises: Mapping[str, Floats], novelty: Floats) -> Floats:
        """[N] the weighted mean of surprises [N] by name, and novelty [N]."""
        weights = self.weights
        total = sum(weights[name] * part for name, part in surprises.items())
        return np.asarray(total / sum(weights[name] for name in surprises) + novelty, np.float32)


SEQUENCE = Recipe(
    weighted=(
        (NOW, (1.0,)),
        (LEVEL, (1.0,)),
        (DYNAMICS, (1.0,)),
        (Shape(), (1.0,)),
        (Activity(), (1.0,)),
        (Relations(), (0.5,)),
        (State(), (1.0, 0.5)),
    ),
    explained_by=DYNAMICS.name,
    mapped_by=State().name,
)
"""For records that follow one another; chosen on pumps, a chemical plant and servers, relations by the pumps."""


@dataclass(frozen=True, slots=True)
class SummedRecipe:
    """Anomaly scores, each half the log of a squared distance or on the scale of one, that are summed before they are
    calibrated: one compiled pass and the density of the latent code give them together."""

    groups: tuple[tuple[tuple[str, float], ...], ...]
    """Names of anomaly scores and their weights. Each group is summed, then the sums: the order fixes the rounding."""
    told: tuple[tuple[str, str], ...]
    """What people are shown beside the whole: its name in Scores, and the anomaly score that is calibrated for it."""
    repaired: tuple[str, ...]
    """Names in Scores by whose weighted sum a repaired record is judged: those that say which feature is wrong, and not in
    what region the record lies."""

    @property
    def weights(self) -> dict[str, float]:
        """By the name of an anomaly score, what it counts for."""
        return dict(pair for group in self.groups for pair in group)

    def fuse(self, scores: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
        """[N] the weighted sum of anomaly scores [N] by name."""
        sums = (reduce(add, (weights[name] * scores[name] for name, _ in group)) for group in self.groups)
        return np.asarray(reduce(add, sums), np.float32)

    def misfit(self, told: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
        """[N] how badly a record agrees with itself and its neighbours, of what is told [N] by name in Scores."""
        sources = dict(self.told)
        return np.asarray(reduce(add, (weights[sources[name]] * told[name] for name in self.repaired)), np.float32)


ALONE = SummedRecipe(
    groups=(
        (
            ("near", 0.75),
            ("residual", 2.0),
            ("density", 0.1),
        ),
        (
            ("remoteness", 3.0),  # neighbours that are strange themselves count against a row that is like them
            ("spacing", -0.5),  # where normal rows lie apart, a row may lie apart from them
            ("suspicion", 2.5),  # as remoteness, where the row was learned from together with its neighbours
        ),
        (
            ("tangent", 1.0),  # where normal rows lie on a surface, a row may lie between them along it, not beside it
            ("tails", 2.0),  # a row at the end of many skewed columns is strange even where others stand near
        ),
    ),
    told=(("reconstruction", "residual"), ("density", "density"), ("neighbours", "near")),
    repaired=("neighbours", "density", "reconstruction"),
)
"""For records that stand alone; chosen once, for all tables. `latentwatch.detector.rows.scoring` says what each score is."""
