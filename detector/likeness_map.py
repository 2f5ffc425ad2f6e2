"""A plane on which what is alike lies together: directions [N, F] of length 1 -> places [N, 2], in parts of the plane's width.

Placed anew, what had a place moves little; what comes between two placings lies between those it is most like.
"""

import numpy as np
from numpy.typing import NDArray

FARTHEST_MOVE = 0.05
"""Of the width, by which what has a place moves at most when it is placed anew."""
_PERPLEXITY = 20.0
_FEWEST = 4
"""Fewer are laid on a line by likeness: t-SNE needs neighbours."""
_AT_ONCE = 256
_BETWEEN = 3
"""Those most alike, between which what is new is laid."""

Places = NDArray[np.float64]


def placed(directions: NDArray[np.float32], former: Places) -> Places:
    """[N, 2] by t-SNE of likeness, begun from the former places [N, 2], NaN where there was none. The same input gives the same."""
    count = len(directions)
    had = np.asarray(np.isfinite(former).all(axis=1))
    if count < _FEWEST:
        spread = np.column_stack([(np.arange(count) + 0.5) / max(1, count), np.full(count, 0.5)])
        return np.where(had[:, None], former, spread)
    from sklearn.manifold import TSNE

    begun = between(directions, former) if had.sum() >= _FEWEST else None
    init = "pca" if begun is None else ((begun - begun.mean(axis=0)) / max(float(begun[:, 0].std()), 1e-9) * 1e-4)
    if begun is None and min(directions.shape) < 2:
        init = "random"
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    found = TSNE(2, perplexity=perplexity, init=init, random_state=0, max_iter=750).fit_transform(directions)
    if not had.any():
        return _within_one(found)
    turned = _laid_over(found[had], former[had], found)
    step = turned - np.where(had[:, None], former, turned)
    length = np.linalg.norm(step, axis=1, keepdims=True)
    step *= np.minimum(1, FARTHEST_MOVE / np.maximum(length, 1e-12))
    return np.where(had[:, None], former + step, np.clip(turned, -0.25, 1.25))


def between(directions: NDArray[np.float32], former: Places) -> Places:
    """[N, 2] the former places, and for what has none the mean of those it is most like, by likeness."""
    had = np.flatnonzero(np.isfinite(former).all(axis=1))
    new = np.flatnonzero(~np.isfinite(former).all(axis=1))
    out = np.array(former, np.float64)
    if not len(had):
        out[new] = 0.5
        return out
    theirs = directions[had].T
    most = min(_BETWEEN, len(had))
    for start in range(0, len(new), _AT_ONCE):
        rows = new[start : start + _AT_ONCE]
        likeness = directions[rows] @ theirs
        best = np.argpartition(-likeness, most - 1, axis=1)[:, :most]
        weight = np.maximum(np.take_along_axis(likeness, best, axis=1), 1e-6)[:, :, None] ** 8
        out[rows] = (former[had[best]] * weight).sum(axis=1) / weight.sum(axis=1)
    return out


def _within_one(found: NDArray[np.floating]) -> Places:
    """Moved and scaled to lie between 0 and 1, both axes alike."""
    low, high = found.min(axis=0), found.max(axis=0)
    width = max(float((high - low).max()), 1e-9)
    return np.asarray((found - (low + high) / 2) / width + 0.5, np.float64)


def _laid_over(some: NDArray[np.floating], former: Places, found: NDArray[np.floating]) -> Places:
    """`found` moved, turned and scaled as brings `some` of it nearest to their former places."""
    some, found = np.asarray(some, np.float64), np.asarray(found, np.float64)
    centre, onto = some.mean(axis=0), former.mean(axis=0)
    left, strength, right = np.linalg.svd((some - centre).T @ (former - onto))
    scale = strength.sum() / max(float(((some - centre) ** 2).sum()), 1e-12)
    return np.asarray((found - centre) @ (left @ right) * scale + onto, np.float64)
