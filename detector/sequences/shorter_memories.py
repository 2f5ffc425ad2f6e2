"""What is going on still, and what is only remembered: a fault that has ended stays in averages for about a window.

Context rows [N, D] -> context rows [N, D] that remember less. Whoever is as strange with them as without is strange now.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.sequences.layout import Layout
from latentwatch.detector.sequences.recursion import RECENT

Floats: TypeAlias = NDArray[np.float32]

_NOW, _QUARTER, _WINDOW = range(3)
"""Which of the recent blocks is the record itself, and which its averages over a quarter and over one window."""


def shorter_memories(layout: Layout, features: Floats) -> tuple[Floats, Floats]:
    """The rows as if the last quarter of the window had been like all of it, and as if the record itself had.

    A shift that lasts is as strange either way or stranger, as averages over less vary more. The variance of steps is left,
    since noise shows in nothing else, and so are charts, which follow a large change at once.
    """
    return _copied(layout, features, _QUARTER, (_WINDOW,)), _copied(layout, features, _NOW, (_QUARTER, _WINDOW))


def _copied(layout: Layout, features: Floats, source: int, targets: tuple[int, ...]) -> Floats:
    out = np.array(features, np.float32)
    blocks = layout.recent(out).reshape(len(out), RECENT, layout.channels)
    for target in targets:
        blocks[:, target] = blocks[:, source]
    return out
