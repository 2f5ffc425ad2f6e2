"""A detector that reads levels, and words of records with a past, as exceptions say they should be read.

What is remembered of an entity is remembered as corrected: a sensor that stands 6 higher since its recalibration looks, in
context and score, as it did before. Everything else is the detector's own. numpy only.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.exceptions import acts_before_the_past
from latentwatch.detector.interface import ContextEncoder, Contexts, Detector
from latentwatch.detector.wrapped_detector import WrappedDetector
from latentwatch.domain.clock import to_microseconds
from latentwatch.domain.exceptions import Exceptions, NormalLevel, NormalValue
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.scores import Explanation, Scores


def correct(batch: Batch, exceptions: Exceptions) -> Batch:
    """The records as they are to be read. The very same batch where nothing is to be corrected.

    What is judged of a counter is its rate a second, and a level that is excepted is one of that: since then the counter is
    read as if it had grown by so much less each second.
    """
    numbers, categories = batch.numbers, batch.categories
    for one in exceptions:
        covered = one.covers(batch)
        if not covered.any():
            continue
        if isinstance(one.form, NormalLevel):
            numbers = numbers.copy() if numbers is batch.numbers else numbers
            column = batch.schema.numbers.index(one.form.feature)
            if one.form.feature in batch.schema.counters:
                seconds = (batch.times[covered] - to_microseconds(one.form.since)) / 1e6
                numbers[covered, column] -= one.form.shift * seconds
            else:
                numbers[covered, column] -= np.float32(one.form.shift)
        elif isinstance(one.form, NormalValue):
            categories = categories.copy() if categories is batch.categories else categories
            categories[covered, batch.schema.categories.index(one.form.feature)] = one.form.instead
    if numbers is batch.numbers and categories is batch.categories:
        return batch
    return replace(batch, numbers=numbers, categories=categories)


def corrected_values(detector: Detector, batch: Batch) -> list[dict[str, Value]]:
    """What each record was read as, by feature: of those features only that were not read as they came."""
    if not isinstance(detector, CorrectedDetector):
        return [{} for _ in range(len(batch))]
    before, after = batch.all_values(), correct(batch, detector.exceptions).all_values()
    return [
        {name: value for name, value in now.items() if value != was[name]}
        for was, now in zip(before, after, strict=True)
    ]


class CorrectedContext:
    """A context encoder that remembers records as corrected. Its states are those of the encoder within. Immutable."""

    def __init__(self, inner: ContextEncoder, exceptions: Exceptions) -> None:
        self.inner = inner
        self.state_size, self.width, self.warm_after = inner.state_size, inner.width, inner.warm_after
        self._exceptions = exceptions

    def fresh(self, entities: Sequence[str]) -> NDArray[np.float32]:
        """[len(entities), S]"""
        return self.inner.fresh(entities)

    def extend(self, states: NDArray[np.float32], owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance the states in place by the records as corrected."""
        return self.inner.extend(states, owners, correct(batch, self._exceptions))

    def adopt(self, states: NDArray[np.float32], previous: ContextEncoder) -> NDArray[np.float32] | None:
        """States that continue those of another encoder."""
        return self.inner.adopt(states, uncorrected(previous))


def uncorrected(encoder: ContextEncoder) -> ContextEncoder:
    """The encoder whose states these are."""
    return encoder.inner if isinstance(encoder, CorrectedContext) else encoder


@dataclass(frozen=True, slots=True)
class CorrectedDetector(WrappedDetector):
    """A detector under exceptions that act before the past is remembered. Immutable, thread-safe.

    Records go in, and their values are told, as they came.
    """

    exceptions: Exceptions

    @property
    def context(self) -> ContextEncoder:
        """Remembers records as corrected."""
        return CorrectedContext(self.inner.context, self.exceptions)

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores of the records as corrected."""
        return self.inner.score(correct(batch, self.exceptions), contexts)

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> NDArray[np.float32]:
        """[N] the surprise without what is only memory of something that has ended."""
        return self.inner.ongoing(correct(batch, self.exceptions), contexts, scores)

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did. What is expected of a level that moved is told where it stands now."""
        found = self.inner.explain(correct(batch, self.exceptions), contexts, scores)
        return [
            replace(each, expected=_raised(each.expected, shifts)) if shifts else each
            for each, shifts in zip(found, self._shifts(batch), strict=True)
        ]

    def as_shown(self, rates: Batch, counters: Collection[str]) -> Batch:
        """Records with the rates of these counters as they were corrected, with the rates that their machines have."""
        numbers = rates.numbers.copy()
        for one in self.exceptions:
            if isinstance(one.form, NormalLevel) and one.form.feature in counters:
                numbers[one.covers(rates), rates.schema.numbers.index(one.form.feature)] += np.float32(one.form.shift)
        return replace(rates, numbers=numbers)

    def _shifts(self, batch: Batch) -> list[dict[str, float]]:
        shifts: list[dict[str, float]] = [{} for _ in range(len(batch))]
        for one in self.exceptions:
            if isinstance(one.form, NormalLevel):
                for row in np.flatnonzero(one.covers(batch)).tolist():
                    shifts[row][one.form.feature] = shifts[row].get(one.form.feature, 0.0) + one.form.shift
        return shifts

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far numbers lie from what is expected, apart from levels that moved."""
        return self.inner.deviations(correct(batch, self.exceptions), contexts, names)

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """Scores as if the features left out, [N, K], were as the others predict."""
        return self.inner.score_without(correct(batch, self.exceptions), contexts, names, left)


def under(detector: Detector, exceptions: Exceptions) -> Detector:
    """A detector under a monitor's exceptions: itself where none acts before the past is remembered."""
    plain = detector.inner if isinstance(detector, CorrectedDetector) else detector
    acting = Exceptions(tuple(one for one in exceptions if acts_before_the_past(plain, one)))
    return CorrectedDetector(plain, acting) if acting else plain


def _raised(expected: Mapping[str, Value], shifts: Mapping[str, float]) -> dict[str, Value]:
    return {
        name: value + shifts[name] if name in shifts and isinstance(value, float) else value
        for name, value in expected.items()
    }
