"""What people are promised, from the anomaly scores of training records, each by what did not learn from its fold.

scores out of fold + scores in the sample → as if fresh → surprises by name → fused, with an allowance for drift → calibrated
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.calibration import Calibration, fit_calibration
from latentwatch.detector.components.folds import FOLDS
from latentwatch.detector.recipes import SEQUENCE

Floats = NDArray[np.float32]

_SUB_BLOCKS = 6
_ONE_SIDED = 3.4
"""t(2, .95) sqrt(1 + 1/3): see `drift_allowance`."""
_FEWEST_SPANS = 20.0
"""Longest spans of a context that a fold must hold before scores in the sample count."""


@dataclass(frozen=True, slots=True)
class SequenceCalibration:
    """Every anomaly score calibrated on its own, and what they say together."""

    components: dict[str, Calibration]
    """By the name of the anomaly score."""
    composite: Calibration

    def surprises(self, scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """Surprises [N] of anomaly scores [N], by name."""
        return {name: self.components[name].surprise(score) for name, score in scores.items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        out = prefixed("composite.", self.composite.arrays())
        for name, part in self.components.items():
            out |= prefixed(f"component.{name}.", part.arrays())
        return out

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "composite": self.composite.meta(),
            "components": {name: part.meta() for name, part in self.components.items()},
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], names: tuple[str, ...]) -> Self:
        """The inverse of `arrays` and `meta`, for anomaly scores of those names. Raises ValueError for others."""
        if meta["components"].keys() != {*names}:
            raise ValueError("the calibrations do not fit the components")
        components = {
            name: Calibration.from_bundle(below(arrays, f"component.{name}."), part)
            for name, part in meta["components"].items()
        }
        return cls(components, Calibration.from_bundle(below(arrays, "composite."), meta["composite"]))


def as_if_fresh(
    out_of_fold: Mapping[str, Floats], in_sample: Mapping[str, Floats], learned: Mapping[str, float], brevity: float
) -> dict[str, Floats]:
    """Anomaly scores [N] by name, as the whole model would give them to records like these that it never saw.

    Scores out of fold are too high for that: what gave them has seen two thirds of the rows. Of a model of n records, the
    scores of fresh records lie a / n above those of a model of endlessly many, and those of its own records as far below
    (the symmetry behind Akaike's criterion). With scores out of fold at a / (2 n / 3), fresh ones lie a fifth of the way
    from them to those in the sample: that is the share `learned` of most components.

    Scores in the sample know nothing of drift. In a short history scores out of fold show drift and the smaller sample
    alike. So scores in the sample count the more the longer folds are; `brevity` is the longest span of a context over
    the length of a fold. With 20 spans a fold or fewer (7,680 records of an entity, where W is 32) they do not count.
    """
    trust = 1.0 - min(1.0, _FEWEST_SPANS * brevity)
    return {
        name: score - np.float32(trust * learned[name]) * (score - in_sample[name])
        for name, score in out_of_fold.items()
    }


@dataclass(frozen=True, slots=True)
class HistoryScores:
    """What N training records look like to components that did not learn from them: what calibration learns from."""

    out_of_fold: Mapping[str, Floats]
    """By the name of an anomaly score, [N]."""
    fresh: Mapping[str, Floats]
    """The same as if fresh, [N]."""
    novelty: Floats
    """[N]"""
    folds: NDArray[np.intp]
    """[N]"""
    brevity: float
    """The longest span of a context over the length of a fold."""


def calibrate_together(history: HistoryScores) -> tuple[SequenceCalibration, Floats]:
    """Calibrate each anomaly score out of fold, then what they say together [N] of scores as if fresh and of novelty.

    Calibrated alone, a score only says what it counts beside the others. Folds much longer than what a context remembers
    have shown in their own scores how normal drifts, and need no allowance for it.
    """
    components = {name: fit_calibration(score) for name, score in history.out_of_fold.items()}
    surprises = {name: components[name].surprise(score) for name, score in history.fresh.items()}
    fused = SEQUENCE.mean(surprises) + history.novelty
    allowance = min(1.0, history.brevity) * drift_allowance(fused, history.folds)
    return SequenceCalibration(components, fit_calibration(fused + allowance, smooth=False)), fused


def drift_allowance(fused: Floats, folds: NDArray[np.intp]) -> float:
    """How much stranger than the training blocks the next stretch of normal records may look, on 95 of 100 occasions.

    Level drifts from block to block by more than autocorrelation explains: s^2 = variance of the blocks' means less what
    their own sub-blocks predict of it (batch means). With three blocks the one-sided 95 % prediction bound of a fourth is
    t(2, .95) sqrt(1 + 1/3) s = 3.4 s beyond the mean. It is near 0 where the level does not drift.
    """
    parts = [fused[folds == fold] for fold in range(FOLDS)]
    if min(map(len, parts)) < _SUB_BLOCKS:
        return 0.0
    means = [float(part.mean()) for part in parts]
    within = [np.var([sub.mean() for sub in np.array_split(part, _SUB_BLOCKS)], ddof=1) / _SUB_BLOCKS for part in parts]
    return _ONE_SIDED * float(np.sqrt(max(np.var(means, ddof=1) - np.mean(within), 0.0)))
