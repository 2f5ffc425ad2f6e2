"""Values that wrap round at a period, as people read them."""

import numpy as np
from numpy.typing import NDArray

_SHORT = 1e-3
"""Share of a round within which a value counts as the beginning of the next one."""


def on_the_dial(turns: NDArray[np.floating], period: float) -> NDArray[np.floating]:
    """[N] values from 0 up to a period, of parts of a whole turn [N].

    What arithmetic leaves just short of a whole turn is its beginning: a Monday is 0, and not 6.9999 of 7.

    >>> on_the_dial(np.array([-1e-5, 0.25, 1.5]), 8.0).tolist()
    [0.0, 2.0, 4.0]
    """
    part = turns % 1.0
    return np.asarray(np.where(part > 1.0 - _SHORT, 0.0, part) * period, turns.dtype)
