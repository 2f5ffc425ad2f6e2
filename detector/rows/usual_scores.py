"""What anomaly scores of normal rows usually are: what a row's own lie above them by is what they add to its surprise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats
from latentwatch.detector.components.met_rows import Met
from latentwatch.detector.recipes import ALONE
from latentwatch.detector.rows.ceiling import LIFTING
from latentwatch.detector.rows.model import RowModel

ENOUGH = 1_000
"""Rows whose median is taken, of as many as there are."""


@dataclass(frozen=True, slots=True)
class UsualScores:
    """Medians of the anomaly scores of normal rows, each judged as it would be flagged: with or without care."""

    new: Floats
    """[S] of rows that the memory does not hold, in the recipe's order."""
    learned: Floats
    """[S] of those that it holds."""

    def addends(self, model: RowModel, met: Met) -> dict[str, Floats]:
        """[N] by how much each part of the sum exceeds what is usual. Scores that mean something alone are a part each; the
        others of a component, which only together do, are one under its name."""
        scores = model.anomaly_scores(met)
        out: dict[str, Floats] = {}
        usual = np.where(met.known[:, None], self.learned, self.new)
        beyond = {
            name: np.float32(model.weights[name]) * (scores[name] - usual[:, at])
            for at, name in enumerate(model.scores)
        }
        if LIFTING in beyond:
            beyond[LIFTING] = model.lift(scores)
        for component in ALONE.serving(model.normal):
            out |= {name: beyond[name] for name in component.calibrated}
            if rest := [name for name in component.scores if name not in component.calibrated]:
                out[component.name] = np.sum([beyond[name] for name in rest], axis=0)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"new": self.new, "learned": self.learned}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> Self:
        """The inverse of `arrays`, for anomaly scores of those names. Raises ValueError where they do not fit."""
        if (arrays["new"].shape, arrays["learned"].shape) != ((len(names),),) * 2:
            raise ValueError("what is usual does not fit the components")
        return cls(arrays["new"], arrays["learned"])


def medians(scores: Mapping[str, Floats], names: tuple[str, ...]) -> Floats:
    """[S] of anomaly scores [N] by name."""
    return np.array([np.median(scores[name]) for name in names], np.float32)
