"""A decision replayed: the stored input through the stored bundle must give the stored score."""

from dataclasses import dataclass

import numpy as np

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.detector.steps.detector import without_steps
from latentwatch.detector.weighted import under_weights
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.record import Batch, batch_from_columns

TOLERANCE = 1e-4
"""Difference in surprise below which a replay agrees: float32 and another machine's arithmetic."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found."""

    stored: float
    replayed: float
    remaining: tuple[float, float] | None = None
    """The same two of the score without what does not count, where that was what decided."""

    @property
    def agrees(self) -> bool:
        """Whether both are the same score."""
        pairs = [(self.stored, self.replayed), *([self.remaining] if self.remaining else [])]
        return all(abs(stored - replayed) <= TOLERANCE * max(1.0, abs(stored)) for stored, replayed in pairs)


def replay(detector: Detector, flagged: FlaggedRecord) -> Replay:
    """Score a flagged record again from what was stored with it."""
    detector = under_weights(detector, flagged.grounds.weights)
    batch, contexts = batch_of(detector, flagged), without_steps(detector.context, contexts_of(flagged))
    grounds = flagged.grounds
    replayed, remaining = float(detector.score(batch, contexts).surprise[0]), None
    if grounds.discounted and grounds.remaining is not None:
        names = grounds.discounted
        again = detector.score_without(batch, contexts, names, np.ones((1, len(names)), bool))
        remaining = grounds.remaining, float(again.surprise[0])
    return Replay(flagged.surprise, replayed, remaining)


def batch_of(detector: Detector, *flagged: FlaggedRecord) -> Batch:
    """The records, as they were read, as a batch."""
    values = [{**one.values, **one.grounds.read_as} for one in flagged]
    columns = {name: [each.get(name) for each in values] for name in detector.schema.names}
    numeric = set(detector.schema.numbers)
    filled = {
        name: [float("nan") if value is None else value for value in column] if name in numeric else column
        for name, column in columns.items()
    }
    moments = np.array([round(one.time.timestamp() * 1_000_000) for one in flagged], np.int64)
    return batch_from_columns(detector.schema, filled, entities=[one.entity for one in flagged], times=moments)


def contexts_of(*flagged: FlaggedRecord) -> Contexts:
    """The context rows that were stored, and how many records of the entity came before each."""
    features = np.stack([np.frombuffer(one.context, "<f4") for one in flagged])
    return Contexts(features, np.array([one.seen for one in flagged], np.int64))
