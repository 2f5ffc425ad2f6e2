"""The context of records scored on their own whose history is too short to promise by: how rare each surprise is lately.

The rank depends on the surprises before, so that a context row holds it.

surprise among the entity's own recent ones
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.detector.lately import BINS, Lately
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LatelyContext:
    """Keeps a histogram of each entity's surprises. Immutable; the states are the caller's."""

    lately: Lately
    surprise: Callable[[Batch], Floats]
    """[N] of records, each on its own."""
    state_size = BINS
    width = 1
    warm_after = 0

    def fresh(self, entities: Sequence[str]) -> Floats:
        """[len(entities), S] of which nothing is known: the promise is all there is."""
        return np.zeros((len(entities), BINS), np.float32)

    def extend(self, states: Floats, owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance `states` in place, in row order, and return how rare each record is lately."""
        touched, local = np.unique(owners, return_inverse=True)
        histograms = np.ascontiguousarray(states[touched])
        ranks = self.lately.rank(histograms, local.astype(np.intp), self.surprise(batch))
        states[touched] = histograms
        return Contexts(ranks[:, None], np.zeros(len(batch), np.int64))

    def adopt(self, states: Floats, previous: ContextEncoder) -> Floats | None:
        """What is lately begins anew: another model's surprises are others."""
        return self.fresh([""] * len(states))
