"""What a sequence detector keeps of its training records for explanations: some of them, and the map of their codes."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.latent.ground import ground_of
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.explanation import ReferenceRecords
from latentwatch.detector.sequences.model import SequenceModel
from latentwatch.detector.spread import spread_over
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]

_REMEMBERED = 256
_DRAWN = 4_000
"""Records that the map shows."""
_MAP_BLOCKS = 96
"""Blocks of time that take turns in being judged by the density of the others, a third of them at once. With long blocks what
is left lacks states that a day brings again, and the contours are drawn too wide: 8 blocks held 90 % of later records within
the contour of 80."""


def remember(model: SequenceModel, context: SequenceContext, history: Batch, features: Floats) -> ReferenceRecords:
    """Normal records spread over the history, and the map of their codes."""
    chosen = spread_over(len(history), _DRAWN)
    whitened = model.explaining.whiten(features[chosen])
    codes = model.coded.codes(features[chosen])
    places = model.coded.places(codes)
    kept = spread_over(len(chosen), _REMEMBERED)
    remembered = history.take(chosen[kept])
    numbers = remembered.numbers.copy()
    gaps = ~np.isfinite(numbers)
    numbers[gaps] = np.broadcast_to(_usual(history), numbers.shape)[gaps]
    return ReferenceRecords(
        whitened=whitened[kept],
        numbers=numbers,
        words=tuple(tuple("" if word is None else str(word) for word in row) for row in remembered.categories),
        ground=ground_of(places, np.arange(len(chosen)) * _MAP_BLOCKS // len(chosen) % 3, places[kept]),
    )


def _usual(history: Batch) -> Floats:
    """[F] the median of each number; 0 where none was ever seen."""
    columns = [column[np.isfinite(column)] for column in history.numbers.T]
    return np.array([np.median(column) if len(column) else 0.0 for column in columns], np.float32)
