"""The folds of training: blocks of time that take turns in being scored by a model that did not learn from them."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity

FOLDS = 3
"""Blocks of time, and members of the autoencoder: member m does not train on block m."""


def time_blocks(entities: NDArray[np.intp], gap: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """[N] the time block of each row, thirds of its entity's rows, and whether it is far from another block.

    The gap is at most a twelfth of a block on either side, so that short histories keep most of their rows.
    """
    blocks = np.zeros(len(entities), np.intp)
    inner = np.ones(len(entities), bool)
    for mine in rows_by_entity(entities):
        rank = np.arange(len(mine))
        block = np.minimum(rank * FOLDS // max(1, len(mine)), FOLDS - 1)
        width = min(gap, len(mine) // (12 * FOLDS))
        changes = np.flatnonzero(np.diff(block)) + 1
        near = np.zeros(len(mine), bool)
        for change in changes:
            near[max(0, change - width) : change + width] = True
        blocks[mine], inner[mine] = block, ~near
    if len(np.unique(blocks)) < FOLDS:  # entities of one or two records each
        blocks = np.arange(len(entities), dtype=np.intp) * FOLDS // len(entities)
    return blocks, inner
