"""Exceptions in the decision: which features of a flagged record are scored again as the others predict.

Exceptions + flagged records [N] -> Claims: what each would leave out, [N, K]

Levels are not among them, nor words of records with a past: those act before the past is remembered
(`latentwatch.detector.corrected_readings`). Nor are thresholds of groups: they leave nothing out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.domain.exceptions import (
    Exceptions,
    GroupThreshold,
    InForce,
    NormalDeviation,
    NormalLevel,
    NormalValue,
)
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import FeatureType

Rows: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one exception takes out of N flagged records."""

    id: int
    features: tuple[str, ...]
    covered: NDArray[np.bool_]
    """[N] of which records they are left out."""

    def left(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """[N, K] what is left out, as columns of these names."""
        return self.covered[:, None] & np.isin(np.array(names, object), np.array(self.features, object))[None, :]


def can_leave_out(detector: Detector, feature: str) -> bool:
    """Whether a feature can be scored as the others predict: any of a record on its own, of one with a past plain numbers."""
    if feature not in detector.schema.names:
        return False
    return not detector.context.width or detector.schema.feature(feature).type in (
        FeatureType.NUMERIC,
        FeatureType.COUNTER,
    )


def acts_before_the_past(detector: Detector, one: InForce) -> bool:
    """Whether an exception acts on what is remembered rather than in the decision."""
    return isinstance(one.form, NormalLevel) or (isinstance(one.form, NormalValue) and detector.context.width > 0)


def claims(detector: Detector, exceptions: Exceptions, batch: Batch, contexts: Contexts) -> list[Claim]:
    """What exceptions take out of flagged records; those that are about none of them are not among it."""
    found = []
    for one in exceptions:
        if acts_before_the_past(detector, one) or isinstance(one.form, GroupThreshold):
            continue
        covered = one.covers(batch)
        features = tuple(name for name in one.form.features if can_leave_out(detector, name))
        if not features or not covered.any():
            continue
        if isinstance(one.form, NormalDeviation):
            off = np.abs(detector.deviations(batch, contexts, features)[:, 0])
            covered = covered & (off < one.form.least)  # a missing value is no small deviation
        if covered.any():
            found.append(Claim(one.id, features, covered))
    return found


def without(
    detector: Detector, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """[N] the surprise without what is left out, [N, K]; infinite where nothing is."""
    out = np.full(len(batch), np.inf)
    some = np.flatnonzero(left.any(axis=1))
    if len(some):
        again = detector.score_without(batch.take(some), contexts.take(some), names, left[some])
        out[some] = again.surprise
    return out
