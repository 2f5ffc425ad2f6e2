"""What every suite does with a method: fit it under a stopwatch, refuse broken scores, count exceedances."""

import numpy as np

from benchmarks.quality.datasets import Floats
from benchmarks.quality.methods import Method, Outliers
from benchmarks.quality.stopwatch import Stopwatch

SURPRISES = (2.0, 3.0, 4.0)
"""Surprises at which the promise is checked: rates of 1e-2, 1e-3 and 1e-4."""


def fitted(method: Method, seed: int, train: Floats) -> tuple[Outliers, float]:
    """The method, built for the seed and fitted, and the seconds that fitting took."""
    model = method.build(seed)
    with Stopwatch() as fitting:
        model.fit(train)
    return model, fitting.seconds


def exceedances(surprise: Floats) -> dict[str, float]:
    """How many normal rows reach each promised surprise."""
    counts = {f"above_{level:g}": float((surprise >= level).sum()) for level in SURPRISES}
    return {"normal_rows": float(len(surprise)), **counts}


def finite(scores: Floats) -> Floats:
    """The scores; ValueError when one is not a number, so that a broken method is reported, not ranked."""
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite")
    return scores
