"""A verdict replayed: the stored input through the stored bundle must give the stored score."""

from dataclasses import dataclass

import numpy as np

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.record import Batch, batch_from_columns

TOLERANCE = 1e-4
"""Difference in surprise below which a replay agrees: float32 and another machine's arithmetic."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found."""

    stored: float
    replayed: float

    @property
    def agrees(self) -> bool:
        """Whether both are the same score."""
        return abs(self.stored - self.replayed) <= TOLERANCE * max(1.0, abs(self.stored))


def replay(detector: Detector, flagged: FlaggedRecord) -> Replay:
    """Score a flagged record again from what was stored with it."""
    scores = detector.score(batch_of(detector, flagged), contexts_of(flagged))
    return Replay(stored=flagged.surprise, replayed=float(scores.surprise[0]))


def batch_of(detector: Detector, flagged: FlaggedRecord) -> Batch:
    """The record as a batch of one row."""
    columns = {name: [flagged.values.get(name)] for name in detector.schema.names}
    numeric = set(detector.schema.numbers)
    filled = {
        name: [float("nan") if value is None else value for value in column] if name in numeric else column
        for name, column in columns.items()
    }
    moment = np.array([round(flagged.time.timestamp() * 1_000_000)], np.int64)
    return batch_from_columns(detector.schema, filled, entities=[flagged.entity], times=moment)


def contexts_of(flagged: FlaggedRecord) -> Contexts:
    """The context row that was stored, and how many records of the entity came before."""
    features = np.frombuffer(flagged.context, "<f4").reshape(1, -1)
    return Contexts(features, np.array([flagged.seen], np.int64))
