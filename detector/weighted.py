"""A detector under the weights that a monitor gives its features; one of weight 0 is muted. numpy only.

A muted feature is left out before the past is remembered and again in the score: whatever it shows, also nothing, the record
looks as the others predict. Of one with a weight w between, what it adds to the surprise counts w times:

    S = S_none + sum_k w_k (S_k - S_none)

where S_none is the surprise with all weighted features left out, and S_k with all but feature k left out; never more than the
surprise with all of them. Where that is below 1, which no alarm is about, it is not asked further.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import ContextEncoder, Contexts, Detector
from latentwatch.detector.wrapped_detector import WrappedDetector
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import Explanation, Scores

_ASKED_FROM = 1.0


class WeightedContext:
    """A context encoder that remembers what is usual of muted features. Its states are those of the encoder within. Immutable."""

    def __init__(self, detector: Detector, muted: Sequence[str]) -> None:
        self.inner = detector.context
        self.state_size, self.width, self.warm_after = (
            self.inner.state_size, self.inner.width, self.inner.warm_after,
        )  # fmt: skip
        self._detector, self._muted = detector, muted

    def fresh(self, entities: Sequence[str]) -> NDArray[np.float32]:
        """[len(entities), S]"""
        return self.inner.fresh(entities)

    def extend(self, states: NDArray[np.float32], owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance the states in place by the records without what is muted."""
        return self.inner.extend(states, owners, self._detector.with_stand_ins(batch, self._muted))

    def adopt(self, states: NDArray[np.float32], previous: ContextEncoder) -> NDArray[np.float32] | None:
        """States that continue those of another encoder."""
        return self.inner.adopt(states, previous.inner if isinstance(previous, WeightedContext) else previous)


@dataclass(frozen=True, slots=True)
class WeightedDetector(WrappedDetector):
    """A detector under weights. Immutable, thread-safe. Values are told as they came."""

    weights: Mapping[str, float]
    """Of features that the detector reads: less than 1, and 0 where it is muted."""

    @property
    def muted(self) -> tuple[str, ...]:
        """Features that do not count at all."""
        return tuple(name for name, weight in self.weights.items() if weight == 0)

    @property
    def context(self) -> ContextEncoder:
        """Remembers records without what is muted."""
        return (
            WeightedContext(self.inner, self.muted) if self.muted and self.inner.context.width else self.inner.context
        )

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores, in which each feature counts by its weight."""
        read, muted = self.inner.with_stand_ins(batch, self.muted), list(self.muted)
        whole = self._without(read, contexts, muted)
        weighted = {name: weight for name, weight in self.weights.items() if weight > 0}
        asked = np.flatnonzero(whole.surprise >= _ASKED_FROM)
        if not weighted or not len(asked):
            return whole
        some, around = read.take(asked), contexts.take(asked)
        none = self._without(some, around, [*muted, *weighted])
        total = none.surprise.astype(np.float64)
        for name, weight in weighted.items():
            alone = self._without(some, around, [*muted, *(other for other in weighted if other != name)])
            total += weight * np.maximum(alone.surprise - none.surprise, 0.0)
        surprise = whole.surprise.copy()
        surprise[asked] = np.minimum(total, whole.surprise[asked])
        return replace(whole, surprise=surprise)

    def _without(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> Scores:
        if not names:
            return self.inner.score(batch, contexts)
        return self.inner.score_without(batch, contexts, names, np.ones((len(batch), len(names)), bool))

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> NDArray[np.float32]:
        """[N] the surprise without what is only memory of something that has ended."""
        return self.inner.ongoing(self.inner.with_stand_ins(batch, self.muted), contexts, scores)

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did: contributions count by their weight, and sum to what they did."""
        found = self.inner.explain(self._as_predicted(batch, contexts), contexts, scores)
        return [replace(each, contributions=_weighed(each.contributions, self.weights)) for each in found]

    def _as_predicted(self, batch: Batch, contexts: Contexts) -> Batch:
        """The records with muted features as the others predict, so that nothing is blamed for not going with them."""
        if not self.muted:
            return batch
        read = self.inner.with_stand_ins(batch, self.muted)
        plain = [name for name in self.muted if name in batch.schema.numbers]
        off = self.inner.deviations(read, contexts, plain)
        numbers = read.numbers.copy()
        columns = [batch.schema.numbers.index(name) for name in plain]
        numbers[:, columns] -= np.where(np.isfinite(off), off, 0.0).astype(np.float32)
        return replace(read, numbers=numbers)

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far numbers lie from what is expected; of muted ones nothing."""
        off = self.inner.deviations(self.inner.with_stand_ins(batch, self.muted), contexts, names)
        off[:, [name in self.muted for name in names]] = 0.0
        return off

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """Scores as if the features left out, [N, K], were as the others predict, and without what is muted."""
        further = [name for name in self.muted if name not in names]
        gone = np.concatenate([left, np.ones((len(batch), len(further)), bool)], axis=1)
        gone[:, [name in self.muted for name in [*names, *further]]] = True
        scores = self.inner.score_without(
            self.inner.with_stand_ins(batch, self.muted), contexts, [*names, *further], gone
        )
        return replace(scores, surprise=np.minimum(scores.surprise, self.score(batch, contexts).surprise))


def under_weights(detector: Detector, weights: Mapping[str, float]) -> Detector:
    """A detector under weights of some of the features that it reads: itself where there is none."""
    plain = detector.inner if isinstance(detector, WeightedDetector) else detector
    known = {name: weight for name, weight in weights.items() if name in plain.schema.names}
    return WeightedDetector(plain, known) if known else plain


def weights_of(detector: Detector) -> dict[str, float]:
    """The weights that a detector is under."""
    return dict(detector.weights) if isinstance(detector, WeightedDetector) else {}


def _weighed(contributions: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    counted = {name: share * weights.get(name, 1.0) for name, share in contributions.items()}
    before, after = sum(contributions.values()), sum(counted.values())
    return {name: share * before / after for name, share in counted.items()} if after > 0 else counted
