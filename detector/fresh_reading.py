"""One pass of a detector over records, as the judge makes it: entities begin anew, or where their past ends.

Detector + Batch [N] -> contexts, scores and which records are flagged
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.decision import decide
from latentwatch.detector.interface import ContextEncoder, Contexts, Detector
from latentwatch.detector.rates import in_rates_of
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import FeatureRules
from latentwatch.domain.scores import Scores

_MOST_BEFORE = 300_000
"""Records at most that a past is read from, the newest: bounds what that takes, and reaches further back than a context does."""


@dataclass(frozen=True, slots=True)
class Beginnings:
    """Where entities stand when a reading begins."""

    states: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """[S] by entity; one that is not there begins anew."""

    @classmethod
    def after(cls, encoder: ContextEncoder, past: Batch | None) -> "Beginnings":
        """Where records of a past [N] leave their entities. None is read where the encoder itself knows where they stand."""
        if past is None or not len(past) or not encoder.state_size:
            return cls()
        names, owners = np.unique(past.entities.astype(str), return_inverse=True)
        states = encoder.fresh(names.tolist())
        if states.any():
            return cls()
        encoder.extend(states, owners.astype(np.intp), past)
        return cls(dict(zip(names.tolist(), states, strict=True)))

    def of(self, encoder: ContextEncoder, entities: Sequence[str]) -> NDArray[np.float32]:
        """[len(entities), S], to be advanced in place."""
        states = encoder.fresh(entities)
        for row, name in enumerate(entities if self.states else ()):
            if name in self.states:
                states[row] = self.states[name]
        return states


ANEW = Beginnings()
"""Nothing came before."""


def records_before(history: Batch, holdout: Batch) -> Batch:
    """The records of each entity that came before those of it which are held out, in order of time; the newest of many."""
    names, owners = np.unique(holdout.entities.astype(str), return_inverse=True)
    first = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(first, owners, holdout.times)
    places = np.minimum(np.searchsorted(names, history.entities.astype(str)), len(names) - 1)
    earlier = np.flatnonzero((names[places] == history.entities.astype(str)) & (history.times < first[places]))
    return history.take(earlier[np.argsort(history.times[earlier], kind="stable")][-_MOST_BEFORE:])


@dataclass(frozen=True, slots=True)
class FreshReading:
    """What a detector says of records."""

    batch: Batch
    contexts: Contexts
    scores: Scores
    flagged: NDArray[np.bool_]
    """[N]"""


def read_fresh(
    detector: Detector,
    batch: Batch,
    threshold: float,
    rules: FeatureRules,
    exceptions: Exceptions = NO_EXCEPTIONS,
    begin: Beginnings = ANEW,
) -> FreshReading:
    """Contexts, scores and decisions of records [N], each entity from where it stands; counters are their rates."""
    entities, owners = np.unique(batch.entities.astype(str), return_inverse=True)
    states = begin.of(detector.context, entities.tolist())
    contexts = detector.context.extend(states, owners.astype(np.intp), batch)
    scores = detector.score(batch, contexts)
    shown = in_rates_of(detector, batch, contexts)
    flagged = np.zeros(len(batch), bool)
    flagged[decide(detector, rules, threshold, shown, contexts, scores, exceptions).rows] = True
    return FreshReading(shown, contexts, scores, flagged)
