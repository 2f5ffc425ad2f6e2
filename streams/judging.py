"""From decoded records to decisions, a few thousand at a time.

A record's context is many times as large as the record, and of most records nothing is needed afterwards but the score.
So a large batch is extended and scored in pieces, which stay near the processor, and contexts are kept of flagged records
only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts
from latentwatch.domain.outcome import ExceptedCount
from latentwatch.domain.record import Batch, DeadLetter, concatenate
from latentwatch.domain.scores import scores_together
from latentwatch.streams.excepting import count_excepted
from latentwatch.streams.outcomes import Scored, ScoredBatch, Serving, decide_by

PIECE_RECORDS = 2_048


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of some records."""

    scored: ScoredBatch
    """Of every record that could be scored."""
    flagged: NDArray[np.intp]
    """Rows of the decisions that reach the threshold in force, in order."""
    strange: Scored
    """Those rows with their contexts."""
    unfit: tuple[DeadLetter, ...] = ()
    """Records whose context failed."""
    unscorable: tuple[DeadLetter, ...] = ()
    """Records that could not be scored."""
    excepted: tuple[ExceptedCount, ...] = ()
    """What exceptions had to do with the decisions."""


def in_pieces(batch: Batch) -> list[Batch]:
    """The batch cut into pieces, in order; an empty one is one piece."""
    if len(batch) <= PIECE_RECORDS:
        return [batch]
    return [batch.take(slice(start, start + PIECE_RECORDS)) for start in range(0, len(batch), PIECE_RECORDS)]


def judged(scored: Scored, model: Serving, unfit: tuple[DeadLetter, ...], unscorable: tuple[DeadLetter, ...]) -> Judged:
    """What is kept of a scored piece."""
    decided = decide_by(scored, model)
    judged, strange = ScoredBatch(scored.batch, scored.scores), scored.take(decided.rows)
    excepted = count_excepted(scored.batch, decided.excepted, model) if model.exceptions else ()
    return Judged(judged, decided.rows, strange, unfit, unscorable, excepted)


def join(parts: Sequence[Judged]) -> Judged:
    """Of all pieces, one after the other, what was found of each. Raises ValueError when there is none."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.scored.batch) for part in parts)])[:-1]
    return Judged(
        ScoredBatch(
            concatenate(part.scored.batch for part in parts),
            scores_together([part.scored.scores for part in parts]),
        ),
        np.concatenate([part.flagged + start for part, start in zip(parts, starts, strict=True)]),
        Scored(
            concatenate(part.strange.batch for part in parts),
            scores_together([part.strange.scores for part in parts]),
            Contexts(
                np.concatenate([part.strange.contexts.features for part in parts]),
                np.concatenate([part.strange.contexts.seen for part in parts]),
            ),
        ),
        tuple(letter for part in parts for letter in part.unfit),
        tuple(letter for part in parts for letter in part.unscorable),
        tuple(count for part in parts for count in part.excepted),
    )
