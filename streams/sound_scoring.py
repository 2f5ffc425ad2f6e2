"""Extending and scoring a batch so that a record that breaks the model becomes a dead letter and harms no other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.detector.rates import in_rates_of
from latentwatch.domain.record import Batch, DeadLetter
from latentwatch.domain.scores import Scores
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.outcomes import Scored
from latentwatch.streams.poison import bisect
from latentwatch.streams.ports import Messages


@dataclass(frozen=True, slots=True)
class Extended:
    """A batch with the context of each record."""

    batch: Batch
    contexts: Contexts

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Extended":
        """The chosen rows."""
        return Extended(self.batch.take(rows), self.contexts.take(rows))


def extend_sound(store: ContextStore, batch: Batch, messages: Messages) -> tuple[Extended, tuple[DeadLetter, ...]]:
    """Contexts of every record that has one, and the records whose context failed."""
    everything = np.arange(len(batch))
    pieces, bad = bisect(everything, lambda rows: store.extend(batch if len(rows) == len(batch) else batch.take(rows)))
    if not bad and len(pieces) == 1:
        return Extended(batch, pieces[0][1]), ()
    contexts = [piece for _, piece in pieces] or [store.extend(batch.take(slice(0, 0)))]
    joined = Contexts(np.concatenate([c.features for c in contexts]), np.concatenate([c.seen for c in contexts]))
    return Extended(batch.take(_without(everything, bad)), joined), _letters(batch, bad, messages)


def score_sound(detector: Detector, extended: Extended, messages: Messages) -> tuple[Scored, tuple[DeadLetter, ...]]:
    """Scores of every record that has one, which holds its counters' rates, and the records that could not be scored."""
    batch, contexts = extended.batch, extended.contexts

    def attempt(rows: NDArray[np.intp]) -> Scores:
        if len(rows) == len(batch):
            return detector.score(batch, contexts)
        return detector.score(batch.take(rows), contexts.take(rows))

    pieces, bad = bisect(np.arange(len(batch)), attempt)
    if not bad and len(pieces) == 1:
        return Scored(in_rates_of(detector, batch, contexts), pieces[0][1], contexts), ()
    # Scores of a row depend on that row alone, so the sound rows may be scored again as one.
    sound = extended.take(_without(np.arange(len(batch)), bad))
    scores = detector.score(sound.batch, sound.contexts)
    judged = in_rates_of(detector, sound.batch, sound.contexts)
    return Scored(judged, scores, sound.contexts), _letters(batch, bad, messages)


def _without(rows: NDArray[np.intp], bad: dict[int, str]) -> NDArray[np.intp]:
    return np.setdiff1d(rows, list(bad))


def _letters(batch: Batch, bad: dict[int, str], messages: Messages) -> tuple[DeadLetter, ...]:
    payloads = {(message.partition, message.offset): message.value for message in messages} if bad else {}
    return tuple(
        DeadLetter(position, reason, payloads.get(position[1:]) or b"")
        for row, reason in sorted(bad.items())
        for position in (batch.position(row),)
    )
