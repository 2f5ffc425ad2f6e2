"""What each component adds to a record's surprise: parts that sum to the whole, of what the recipe summed."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]


def parts_of(whole: Floats, addends: Mapping[str, Floats]) -> list[dict[str, float]]:
    """[N] what each addend [N] adds to the whole [N], by name: not negative, and they sum to it.

    The whole is a rising function of the addends' sum, and no sum itself: each addend's part is its share of those above 0. Where
    none is, all share alike.

    >>> parts_of(np.array([6.0]), {"near": np.array([1.0]), "tails": np.array([3.0]), "spacing": np.array([-2.0])})
    [{'near': 1.5, 'tails': 4.5, 'spacing': 0.0}]
    """
    names = list(addends)
    amounts = np.maximum(np.stack([addends[name] for name in names], axis=1).astype(np.float64), 0.0)
    total = amounts.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, amounts / np.where(total > 0, total, 1.0), 1.0 / len(names))
    return [dict(zip(names, row, strict=True)) for row in (shares * np.asarray(whole, np.float64)[:, None]).tolist()]
