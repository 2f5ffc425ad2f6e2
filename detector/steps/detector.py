"""A detector that asks about lasting changes; everything else is the detector's own. numpy and numba only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.corrected_readings import CorrectedDetector, under
from latentwatch.detector.interface import ContextEncoder, Contexts, Detector
from latentwatch.detector.steps.context import HALVES, StepContext
from latentwatch.detector.steps.rule import COLUMNS, read
from latentwatch.detector.wrapped_detector import WrappedDetector
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.counters import in_rates
from latentwatch.domain.exceptions import Exceptions, GroupThreshold
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.scores import Explanation, Scores
from latentwatch.domain.steps import ASKS, AfterStep, LastingChange, MovedFeature


@dataclass(frozen=True, slots=True)
class StepDetector(WrappedDetector):
    """A detector under a threshold, which lasting changes are told by. Immutable, thread-safe."""

    steps: StepContext

    @property
    def context(self) -> ContextEncoder:
        """Remembers what lasting changes are known by."""
        return cast(ContextEncoder, self.steps)

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """What the context rows hold."""
        first = self.inner.context.width
        columns = contexts.features[:, first : first + HALVES + len(self.steps.components)].T.copy()
        surprise, reconstruction, density, extrapolated, *components = columns
        return Scores(
            surprise=surprise,
            reconstruction=reconstruction,
            density=density,
            components=dict(zip(self.steps.components, components, strict=True)),
            extrapolated=extrapolated > 0,
            warming=contexts.seen < self.context.warm_after,
            step=contexts.features[:, -COLUMNS].astype(np.int8),
        )

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> NDArray[np.float32]:
        """[N] the surprise without what is only memory of something that has ended."""
        return self.inner.ongoing(batch, self._inner(contexts), scores)

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did; of those that ask, what changed."""
        found = self.inner.explain(batch, self._inner(contexts), scores)
        for row in np.flatnonzero(scores.step == ASKS).tolist():
            found[row] = replace(found[row], step=self._step(contexts.features[row], int(batch.times[row])))
        return found

    def _step(self, features: NDArray[np.float32], time: int) -> LastingChange:
        told, schema = read(features[None, -COLUMNS:]), in_rates(self.schema)
        moved = []
        for place, before, now in told.moved[0].tolist():
            if place >= 0:
                feature = schema.feature(schema.numbers[int(place)])
                moved.append(MovedFeature(feature.name, before, now, feature.unit))
        return LastingChange(
            from_microseconds(int(told.since[0]) * 1000),
            from_microseconds(time),
            tuple(moved),
            self.steps.after is AfterStep.ACCEPT,
        )

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far numbers lie from what is expected."""
        return self.inner.deviations(batch, self._inner(contexts), names)

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """Scores as if the features left out, [N, K], were as the others predict."""
        return self.inner.score_without(batch, self._inner(contexts), names, left)

    def _inner(self, contexts: Contexts) -> Contexts:
        return without_steps(self.inner.context, contexts)


def without_steps(encoder: ContextEncoder, contexts: Contexts) -> Contexts:
    """The part of context rows that a detector's own encoder wrote."""
    return Contexts(np.ascontiguousarray(contexts.features[:, : encoder.width]), contexts.seen)


def asking(detector: Detector, threshold: float, after: AfterStep) -> Detector:
    """A detector that asks about lasting changes: itself where that is not wanted, or records have no past to change from."""
    if after is AfterStep.KEEP or not detector.context.state_size or isinstance(detector, StepDetector):
        return detector
    nothing = batch_from_columns(detector.schema, {name: [] for name in detector.schema.names})
    empty = Contexts(np.zeros((0, detector.context.width), np.float32), np.zeros(0, np.int64))
    names = tuple(detector.score(nothing, empty).components)
    return StepDetector(detector, StepContext(detector, threshold, names, after))


def acting_under(detector: Detector, exceptions: Exceptions) -> Detector:
    """A detector under a monitor's exceptions, as `under` has it; where it asks about lasting changes, by the thresholds that
    they give to groups."""
    plain = detector.inner if isinstance(detector, CorrectedDetector) else detector
    if isinstance(plain, StepDetector):
        groups = Exceptions(tuple(one for one in exceptions if isinstance(one.form, GroupThreshold)))
        plain = replace(plain, steps=replace(plain.steps, groups=groups))
    return under(plain, exceptions)
