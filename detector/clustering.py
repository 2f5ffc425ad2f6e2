"""k-means, by Lloyd's rounds (Lloyd 1982)."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
_BLOCK = 4_096
"""Rows compared with the centres at a time: bounds what that takes."""


def k_means(
    rows: Floats, count: int, seed: int, *, rounds: int = 25, apart: bool = True
) -> tuple[Floats, NDArray[np.intp]]:
    """Centres [Q, P] of rows [N, P], and the centre of each row [N]; Q is at most `count`, and at most N.

    With `apart` they start far from each other (k-means++, Arthur and Vassilvitskii 2007), and Q is at most the number of
    distinct rows among the first; otherwise at random rows, which is faster where there are hundreds of centres. Ends where no
    row changes its centre.
    """
    centres = _apart(rows, count, seed) if apart else _anywhere(rows, count, seed)
    owner = _closest(rows, centres)
    for _ in range(rounds):
        sizes = np.bincount(owner, minlength=len(centres))
        kept = sizes > 0
        order = np.argsort(owner, kind="stable")
        sums = np.add.reduceat(rows[order], (np.cumsum(sizes) - sizes)[kept], axis=0, dtype=np.float64)
        centres[kept] = sums / sizes[kept, None]
        before, owner = owner, _closest(rows, centres)
        if np.array_equal(before, owner):
            break
    return centres, owner


def _apart(rows: Floats, count: int, seed: int) -> Floats:
    from sklearn.cluster import kmeans_plusplus

    distinct = len(np.unique(rows[: 8 * count], axis=0))
    centres, _ = kmeans_plusplus(rows.astype(np.float64), min(count, distinct), random_state=seed)
    return np.asarray(centres, np.float32)


def _anywhere(rows: Floats, count: int, seed: int) -> Floats:
    chosen = np.random.default_rng(seed).choice(len(rows), min(count, len(rows)), replace=False)
    return rows[chosen].astype(np.float32)


def _closest(rows: Floats, centres: Floats) -> NDArray[np.intp]:
    half = 0.5 * (centres.astype(np.float32) ** 2).sum(axis=1)
    blocks = [(half - rows[start : start + _BLOCK] @ centres.T).argmin(axis=1) for start in range(0, len(rows), _BLOCK)]
    return np.concatenate(blocks)
