"""Which unlabelled alerts would teach most: the pure rule by which a queue is ordered for labelling.

A label teaches about every alert alike that nobody has labelled yet, and the more the less sure it is what people would
say. Of an alert i that is the entropy of what is expected of its label, times how many unlabelled alerts are alike:

    gain(i) = H(p_i) * sum of what is not covered yet of each alert j alike,   p_i = (1 + true) / (2 + true + false)

with the labels of alike alerts counted: an alert like no labelled one is the least sure. The best is chosen, covers those
like it, and the next is chosen of what is left (greedy maximum coverage).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.incident import LIKENESS, pattern_matrix

_COVERED = 0.9
"""How much of an alert's question the label of one alike answers; not all, so that the second of many is asked before none."""


def teaching_order(
    unlabelled: Sequence[Mapping[str, float]],
    labelled: Sequence[Mapping[str, float]],
    verdicts: Sequence[bool],
    margins: Sequence[float],
) -> list[int]:
    """Places of `unlabelled`, what would teach most first.

    `unlabelled` and `labelled` are patterns of contributions (`pattern_of`), `verdicts` whether each labelled one was
    true, and `margins` by how many times the threshold each unlabelled one is stranger than it: of equals, the one nearer
    to the threshold comes first.

    >>> teaching_order([{"a": 1.0}, {"b": 1.0}, {"b": 1.0}], [{"a": 1.0}, {"a": 1.0}], [True, True], [1.0, 1.5, 1.2])
    [2, 0, 1]
    """
    if not unlabelled:
        return []
    names = sorted({name for each in (*unlabelled, *labelled) for name in each})
    columns = {name: column for column, name in enumerate(names)}
    mine, known = pattern_matrix(unlabelled, columns), pattern_matrix(labelled, columns)
    alike = mine @ mine.T >= LIKENESS
    np.fill_diagonal(alike, True)
    near = mine @ known.T >= LIKENESS
    said = np.asarray(verdicts, bool)
    unsure = _entropy((1 + near[:, said].sum(1)) / (2 + near.sum(1)))
    open_, rank = np.ones(len(unlabelled)), np.asarray(margins, np.float64)
    left, order = np.ones(len(unlabelled), bool), []
    for _ in range(len(unlabelled)):
        gain = np.where(left, unsure * (alike @ open_), -1.0)
        best = np.flatnonzero(gain >= gain.max() - 1e-12)
        chosen = int(best[np.argmin(rank[best])])
        order.append(chosen)
        left[chosen] = False
        open_[alike[chosen]] *= 1 - _COVERED
        open_[chosen] = 0.0
    return order


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """In bits; p lies within 0 and 1, both excluded."""
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)), np.float64)
