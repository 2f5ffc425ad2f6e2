"""Contexts of rows that come in pieces: the states of the entities met so far, in memory.

Batch [N] -> Contexts [N]; however rows are cut into batches, their contexts are the same, bit for bit.
"""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.domain.record import Batch


class RunningContext:
    """Begins where no entity was ever seen. Not safe to share between threads."""

    def __init__(self, encoder: ContextEncoder) -> None:
        self._encoder = encoder
        self._places: dict[str, int] = {}
        self._states: NDArray[np.float32] = encoder.fresh([])
        self.rows = 0
        """How many rows it was given."""

    def extend(self, batch: Batch) -> Contexts:
        """Contexts of rows that follow those of all batches before."""
        self.rows += len(batch)
        if not self._encoder.state_size:
            return self._encoder.extend(self._states, np.zeros(len(batch), np.intp), batch)
        names, owners = np.unique(batch.entities.astype(str), return_inverse=True)
        new = [name for name in names.tolist() if name not in self._places]
        if new:
            self._places.update(zip(new, range(len(self._places), len(self._places) + len(new)), strict=True))
            self._states = np.concatenate([self._states, self._encoder.fresh(new)])
        places = np.array([self._places[name] for name in names.tolist()], np.intp)
        return self._encoder.extend(self._states, places[owners], batch)
