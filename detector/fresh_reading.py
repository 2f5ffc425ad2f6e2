"""One pass of a detector over records of which nothing came before, as the judge makes it.

Detector + Batch [N] -> contexts, scores and which records are flagged
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.decision import decide
from latentwatch.detector.interface import Contexts, Detector
from latentwatch.detector.rates import in_rates_of
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import FeatureRules
from latentwatch.domain.scores import Scores


@dataclass(frozen=True, slots=True)
class FreshReading:
    """What a detector says of records, each entity started fresh."""

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
) -> FreshReading:
    """Contexts, scores and decisions of records [N]; counters are their rates."""
    entities, owners = np.unique(batch.entities.astype(str), return_inverse=True)
    states = detector.context.fresh(entities.tolist())
    contexts = detector.context.extend(states, owners.astype(np.intp), batch)
    scores = detector.score(batch, contexts)
    shown = in_rates_of(detector, batch, contexts)
    flagged = np.zeros(len(batch), bool)
    flagged[decide(detector, rules, threshold, shown, contexts, scores, exceptions).rows] = True
    return FreshReading(shown, contexts, scores, flagged)
