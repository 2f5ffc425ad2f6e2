"""What people are promised, from the energies of training records: each block's by what did not see it.

blind energies + familiar energies → as if fresh → surprises by witness → fused, with an allowance for drift → calibrated
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.calibration import fit_calibration
from latentwatch.detector.sequences.blocks import BLOCKS
from latentwatch.detector.sequences.detector import SequenceCalibration
from latentwatch.detector.sequences.model import DENSITY, PATTERN, RECONSTRUCTION

Floats = NDArray[np.float32]

_SUB_BLOCKS = 6
_ONE_SIDED = 3.4
"""t(2, .95) sqrt(1 + 1/3): see `drift_allowance`."""
_LEARNED = 0.2
"""How far fresh records lie from blind energies towards familiar ones: see `as_if_fresh`."""
_ENSEMBLED = 0.8
"""The same of the autoencoder, where one blind member stands for the mean of all; measured on our plant's later days."""
_FEWEST_SPANS = 20.0
"""Longest spans of a context that a block must hold before familiar energies count."""


def as_if_fresh(blind: Mapping[str, Floats], familiar: Mapping[str, Floats], brevity: float) -> dict[str, Floats]:
    """Energies [N] by witness, as the whole model would give them to records like these that it never saw.

    Blind energies are too high for that, their judges having seen two thirds. Of a model of n records, energies of fresh
    records lie a / n above those of one of endlessly many, its own records' as far below (the symmetry behind Akaike's
    criterion): with blind ones at a / (2 n / 3), fresh ones lie a fifth of the way from blind to familiar. What remembers
    windows as they are knows its own by heart, so that this says nothing there.

    Familiar energies know nothing of drift, and in a short history blind ones show it as they show what their judges lack.
    So familiar ones count the more the longer blocks are; `brevity` is the longest span of a context over the length of a
    block. From 20 spans a block down (7,680 records of an entity, where W is 32) all stays blind.
    """
    trust = 1.0 - min(1.0, _FEWEST_SPANS * brevity)
    share = {PATTERN: 0.0, RECONSTRUCTION: _ENSEMBLED, DENSITY: _ENSEMBLED}
    return {
        name: energy - np.float32(trust * share.get(name, _LEARNED)) * (energy - familiar[name])
        for name, energy in blind.items()
    }


def calibrate_together(
    start: SequenceCalibration,
    blind: Mapping[str, Floats],
    fresh: Mapping[str, Floats],
    novel: tuple[Floats, ...],
    blocks: NDArray[np.intp],
    brevity: float,
) -> tuple[SequenceCalibration, Floats]:
    """Calibrate each witness on blind energies, then what they say together [N] of energies as if fresh.

    A witness's calibration only says what it counts beside the others. `brevity` is the longest span of a context over the
    length of a block: blocks much longer than what a context remembers have shown in their own scores how normal drifts,
    and need no allowance for it.
    """
    witnesses = {name: fit_calibration(part) for name, part in blind.items()}
    surprises = {name: witnesses[name].surprise(part) for name, part in fresh.items()}
    fused = start.fuse(surprises, start.novelty(*novel))
    composite = fit_calibration(fused + min(1.0, brevity) * drift_allowance(fused, blocks), smooth=False)
    return replace(start, witnesses=witnesses, composite=composite), fused


def drift_allowance(fused: Floats, blocks: NDArray[np.intp]) -> float:
    """How much stranger than the training blocks the next stretch of normal records may look, on 95 of 100 occasions.

    Level drifts from block to block by more than autocorrelation explains: s^2 = variance of the blocks' means less what
    their own sub-blocks predict of it (batch means). With three blocks the one-sided 95 % prediction bound of a fourth is
    t(2, .95) sqrt(1 + 1/3) s = 3.4 s beyond the mean. It is near 0 where the level does not drift.
    """
    parts = [fused[blocks == block] for block in range(BLOCKS)]
    if min(map(len, parts)) < _SUB_BLOCKS:
        return 0.0
    means = [float(part.mean()) for part in parts]
    within = [np.var([sub.mean() for sub in np.array_split(part, _SUB_BLOCKS)], ddof=1) / _SUB_BLOCKS for part in parts]
    return _ONE_SIDED * float(np.sqrt(max(np.var(means, ddof=1) - np.mean(within), 0.0)))
