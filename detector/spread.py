"""Some of many rows, spread over all of them."""

import numpy as np
from numpy.typing import NDArray


def spread_over(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` of `count` row numbers, in order: one of each of as many equal stretches, at a place that chance chose,
    the same one at every call.

    Steps of one size would never see some of the entities that report in turn, or some hours of a day.

    >>> spread_over(3, 10).tolist(), len(spread_over(1000, 10))
    ([0, 1, 2], 10)
    """
    if count <= most:
        return np.arange(count)
    begin = np.arange(most) * count // most
    length = np.arange(1, most + 1) * count // most - begin
    return begin + np.random.default_rng(most).integers(length)
