"""Which components a detector asks, and how much the surprise of each counts in the whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.activity import Activity
from latentwatch.detector.components.autoencoder import Autoencoder
from latentwatch.detector.components.block_density import DYNAMICS, LEVEL, NOW, SLOW
from latentwatch.detector.components.component import Component
from latentwatch.detector.components.relations import Relations
from latentwatch.detector.components.windows import PATTERN, SHAPE
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
        (SLOW, (0.1,)),
        (SHAPE, (1.0,)),
        (PATTERN, (1.0,)),
        (Activity(), (1.0,)),
        (Relations(), (0.5,)),
        (Autoencoder(), (1.0, 0.5)),
    ),
    explained_by=DYNAMICS.name,
    mapped_by=Autoencoder().name,
)
"""For records that follow one another; chosen on pumps, a chemical plant and servers, relations by the pumps."""
