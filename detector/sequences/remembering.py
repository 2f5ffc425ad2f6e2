"""What a sequence detector keeps of its training records for explanations: some of them, and the map of their codes."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import MapGround
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.explanation import Memory
from latentwatch.detector.sequences.model import SequenceModel
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]

_REMEMBERED = 256
_MAP_CELLS = 48


def remember(model: SequenceModel, context: SequenceContext, history: Batch, features: Floats) -> Memory:
    """Normal records spread over the history, and the map of their codes."""
    chosen = np.unique(np.linspace(0, len(history) - 1, min(len(history), 4000)).astype(np.intp))
    whitened = model.explaining.whiten(features[chosen])
    codes = model.coded.codes(features[chosen])
    centre = codes.mean(axis=0)
    _, _, directions = np.linalg.svd((codes - centre).astype(np.float64), full_matrices=False)
    axes = np.zeros((codes.shape[1], 2))
    axes[:, : min(2, len(directions))] = directions[:2].T
    places = ((codes - centre) @ axes).astype(np.float32)
    kept = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), _REMEMBERED)).astype(np.intp))
    remembered = history.take(chosen[kept])
    numbers = remembered.numbers.copy()
    gaps = ~np.isfinite(numbers)
    numbers[gaps] = np.broadcast_to(_usual(history), numbers.shape)[gaps]
    return Memory(
        whitened=whitened[kept],
        numbers=numbers,
        words=tuple(tuple("" if word is None else str(word) for word in row) for row in remembered.categories),
        centre=centre.astype(np.float32),
        axes=axes.astype(np.float32),
        ground=_ground(places, places[kept]),
    )


def _usual(history: Batch) -> Floats:
    """[F] the median of each number; 0 where none was ever seen."""
    columns = [column[np.isfinite(column)] for column in history.numbers.T]
    return np.array([np.median(column) if len(column) else 0.0 for column in columns], np.float32)


def _ground(places: Floats, sample: Floats) -> MapGround:
    """A smoothed histogram of places on a grid with a margin."""
    from scipy.ndimage import gaussian_filter

    low, high = np.quantile(places, 0.005, axis=0), np.quantile(places, 0.995, axis=0)
    margin = 0.35 * np.maximum(high - low, 1e-3)
    edges = [np.linspace(a, b, _MAP_CELLS + 1) for a, b in zip(low - margin, high + margin, strict=True)]
    histogram, _, _ = np.histogram2d(places[:, 1], places[:, 0], bins=(edges[1], edges[0]))
    density = np.sqrt(gaussian_filter(histogram, 1.2))
    density /= max(float(density.max()), 1e-12)
    x, y = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    return MapGround(x.astype(np.float32), y.astype(np.float32), density.astype(np.float32), sample.astype(np.float32))
