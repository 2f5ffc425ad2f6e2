"""How much less a share of flagged records is known than of independent ones, since flagged records come together.

Surprises [N], entities [N], threshold -> a factor of the share's variance
"""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity


def overdispersion(surprise: NDArray[np.float32], entities: NDArray[np.object_], threshold: float) -> float:
    """How many times the variance of a flagged share exceeds that of independent records.

    Measured on the variance of the share over time blocks of an entity. Where fewer than one in twenty is flagged, the
    strangest twentieth stands in for the flagged, since too few cannot show how they cluster.
    """
    level = min(threshold, float(np.quantile(surprise, 0.95)))
    shares, sizes = [], []
    for rows in rows_by_entity(entities):
        above = surprise[rows] >= level
        for block in np.array_split(above, max(1, min(20, len(above) // 50))):
            shares.append(block.mean())
            sizes.append(len(block))
    share = float(np.mean(surprise >= level))
    if len(shares) < 4 or not 0 < share < 1:
        return 1.0
    weights = np.array(sizes, np.float64)
    variance = float(np.sum(weights * (np.array(shares) - share) ** 2) / weights.sum())
    return float(max(1.0, variance * weights.mean() / (share * (1 - share))))
