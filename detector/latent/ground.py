"""The ground of the latent map: how densely normal records lie, and the contours within which later ones are expected."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import MapGround
from latentwatch.detector.latent.examples import Floats

INSIDE = (0.80, 0.95)
"""Shares of normal records whose contours are drawn."""
_CELLS = 64
_BLUR = 1.5
"""Cells."""
_MARGIN = 0.35
"""How far the grid reaches beyond normal records, of their own reach."""


def ground_of(places: Floats, blocks: NDArray[np.intp], sample: Floats) -> MapGround:
    """The ground under places [N, 2] of normal records, and the contours of later ones.

    A block of time is judged by the density of the others, and the contours are quantiles of that: by the density of all, the
    record's own included, they would promise too much. `blocks` [N] numbers the block of each record.
    """
    from scipy.ndimage import gaussian_filter

    low, high = np.quantile(places, 0.005, axis=0), np.quantile(places, 0.995, axis=0)
    margin = _MARGIN * np.maximum(high - low, 1e-3)
    edges = [np.linspace(a, b, _CELLS + 1) for a, b in zip(low - margin, high + margin, strict=True)]

    def density(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        histogram, _, _ = np.histogram2d(places[rows, 1], places[rows, 0], bins=(edges[1], edges[0]))
        return np.asarray(gaussian_filter(histogram, _BLUR, mode="constant") / max(1, rows.sum()), np.float64)

    x, y = (np.asarray((edge[1:] + edge[:-1]) / 2, np.float32) for edge in edges)
    unseen = np.zeros(len(places))
    for block in np.unique(blocks):
        inside = blocks == block
        others = ~inside if not inside.all() else inside
        cells = MapGround(x, y, density(others).astype(np.float32), sample)
        unseen[inside] = cells.density_at(places[inside])
    whole = density(np.ones(len(places), bool))
    peak = max(float(whole.max()), 1e-12)
    contours = np.quantile(unseen, [1 - share for share in INSIDE]) / peak
    return MapGround(x, y, (whole / peak).astype(np.float32), sample, contours.astype(np.float32))
