"""Does the false-alarm promise still hold? Every partition's scores are read as they come.

Scored batch -> each partition's PromiseState. The states are kept with the partition's context and travel with its
snapshots, so a restart forgets at most what was scored since the last one.
"""

from collections.abc import Mapping

from latentwatch.detector.drift import BROKEN, PromiseState, recalibrated, watch
from latentwatch.streams.outcomes import ScoredBatch
from latentwatch.streams.segments import segments


def read_promises(promises: dict[int, PromiseState], scored: ScoredBatch) -> None:
    """Move the states of a batch's partitions on, in place. Entities that are warming up say nothing yet."""
    surprise, warming = scored.scores.surprise, scored.scores.warming
    for partition, first, last in segments(scored.batch.partitions):
        rows = slice(first, last)
        told = surprise[rows][~warming[rows]]
        promises[partition] = watch(promises.get(partition, recalibrated()), told)


def promise_broken(promises: Mapping[int, PromiseState]) -> bool:
    """Whether the scores of some partition have left the regime that they were calibrated on."""
    return any(state.broken for state in promises.values())


def state_in_words(promises: Mapping[int, PromiseState]) -> str:
    """What a scorer says of itself."""
    return BROKEN if promise_broken(promises) else "scoring"
