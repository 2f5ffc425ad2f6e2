"""The basis of the version before, as the context of a new one would have told its landmarks."""

import numpy as np

from latentwatch.detector.latent.basis import Basis
from latentwatch.detector.sequences.channels import channel_names, soft_clip, unclip
from latentwatch.detector.sequences.context import SequenceContext

_STEP_BLOCK = 3
"""The block of a context row that tells variances of steps by their usual size: it has no unit."""


def carried_basis(basis: Basis, before: SequenceContext, now: SequenceContext) -> Basis | None:
    """Landmarks from one scaling to another by way of their units; None where few of the channels are the same.

    A landmark tells how far it is from the level of its entity, and stays that far from the population's. A channel that
    the version before did not have is at its level; one that is gone is left out.
    """
    old = {name: at for at, name in enumerate(channel_names(before.channels.schema, before.channels.words))}
    names = channel_names(now.channels.schema, now.channels.words)
    pairs = [(old[name], at) for at, name in enumerate(names) if name in old]
    if 2 * len(pairs) < max(len(names), len(old)):
        return None
    theirs, ours = (np.array(part, np.intp) for part in zip(*pairs, strict=True))
    rows = basis.rows.reshape(len(basis.rows), -1, len(old))
    carried = np.zeros((len(rows), rows.shape[1], len(names)), np.float32)
    step = (before.channels.scale * before.levels.spreads)[theirs]
    unit = (now.channels.scale * now.levels.spreads)[ours]
    ratio = np.where(unit > 0, step / np.where(unit > 0, unit, 1.0), 0.0)
    shift = before.channels.centre[0, theirs] - now.channels.centre[0, ours]
    still = (unit > 0) & (now.levels.rates[ours] == 0)  # what is followed is told from a level that has moved along
    shift = np.where(still, shift / np.where(unit > 0, unit, 1.0), 0.0)
    for block in range(rows.shape[1]):
        values = rows[:, block, theirs]
        told = values if block == _STEP_BLOCK else soft_clip(unclip(values) * ratio + shift)
        carried[:, block, ours] = told
    flat = carried.reshape(len(rows), -1)
    return Basis(flat, basis.codes, basis.centre, basis.axes)
