"""From scored records to what the database takes: flagged records with reasons, exact minute counts, offset moves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.outcome import MinuteCount
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import Scores, flag

_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Serving:
    """The model in force: its detector, its version and the threshold the monitor's policy asks of it."""

    detector: Detector
    version: int
    threshold: float


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A batch with its scores."""

    batch: Batch
    scores: Scores


@dataclass(frozen=True, slots=True)
class Scored(Verdicts):
    """A batch with its scores and with the contexts that explain them."""

    contexts: Contexts

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Scored":
        """The chosen rows."""
        return Scored(self.batch.take(rows), self.scores.take(rows), self.contexts.take(rows))


def flagged_rows(scored: Verdicts, serving: Serving) -> NDArray[np.intp]:
    """Rows that reach the threshold in force."""
    return flag(scored.scores, serving.threshold)


def describe(scored: Scored, serving: Serving) -> tuple[FlaggedRecord, ...]:
    """Flagged records with everything needed to understand and to replay them; all rows of `scored` are flagged."""
    batch, scores = scored.batch, scored.scores
    if not len(batch):
        return ()
    reasons = serving.detector.explain(batch, scored.contexts, scores)
    values, times = batch.all_values(), batch.times.tolist()
    contexts = np.ascontiguousarray(scored.contexts.features, "<f4")
    surprise, reconstruction, density = (
        half.tolist() for half in (scores.surprise, scores.reconstruction, scores.density)
    )
    witnesses = {name: witness.tolist() for name, witness in scores.witnesses.items()}
    nothing = [False] * len(batch)
    extrapolated = scores.extrapolated.tolist() or nothing
    warming = scores.warming.tolist() or nothing
    return tuple(
        FlaggedRecord(
            position=batch.position(row),
            entity=batch.entities[row],
            time=from_microseconds(times[row]),
            surprise=surprise[row],
            reconstruction=reconstruction[row],
            density=density[row],
            witnesses={name: witness[row] for name, witness in witnesses.items()},
            extrapolated=extrapolated[row],
            warming=warming[row],
            threshold=serving.threshold,
            model_version=serving.version,
            bundle=serving.detector.bundle,
            values=values[row],
            context=contexts[row].tobytes(),
            seen=int(scored.contexts.seen[row]),
            explanation=reasons[row],
        )
        for row in range(len(batch))
    )


def count_minutes(scored: Verdicts, serving: Serving) -> tuple[MinuteCount, ...]:
    """Exact counts of every event-time minute in the batch."""
    if not len(scored.batch):
        return ()
    surprise = scored.scores.surprise
    minutes, places = np.unique(scored.batch.times // _MINUTE, return_inverse=True)
    levels = (-np.inf, serving.threshold, 1.0, 2.0, 3.0, 4.0)
    table = np.stack([np.bincount(places[surprise >= level], minlength=len(minutes)) for level in levels], axis=1)
    table[:, 0] = np.bincount(places, minlength=len(minutes))  # a NaN score is a scored record too
    return tuple(
        MinuteCount(
            minute=from_microseconds(int(minute) * _MINUTE),
            model_version=serving.version,
            scored=row[0],
            flagged=row[1],
            exceeding=(row[2], row[3], row[4], row[5]),
        )
        for minute, row in zip(minutes.tolist(), table.tolist(), strict=True)
    )
