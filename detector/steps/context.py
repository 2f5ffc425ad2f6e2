"""The context of a detector that asks about lasting changes: its own, and beside it what changes are known by.

What is rare lately depends on the surprises before, so that records are scored where their states are, and a context row
holds what was said of them.

D of the detector's own context | surprise, reconstruction, density, extrapolated, components | COLUMNS of the rule
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.corrected_readings import uncorrected
from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.detector.lately import BINS, MOST_RECORDS, Lately, memory_of
from latentwatch.detector.rates import in_rates_of
from latentwatch.detector.steps.rule import COLUMNS, follow, state_size
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import Scores
from latentwatch.domain.steps import AfterStep

if TYPE_CHECKING:
    from latentwatch.detector.interface import Detector

Floats: TypeAlias = NDArray[np.float32]

HALVES = 4
"""Columns of every score: the surprise, its two halves, and whether it was extrapolated."""
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class StepContext:
    """The context encoder of one detector under one threshold. Immutable and thread-safe; the states are the caller's."""

    detector: "Detector"
    threshold: float
    components: tuple[str, ...]
    """The names of what else its scores tell."""
    after: AfterStep = AfterStep.ASK
    groups: Exceptions = NO_EXCEPTIONS
    """Those that give groups of records thresholds of their own."""

    @property
    def inner(self) -> ContextEncoder:
        """The detector's own context."""
        return self.detector.context

    @property
    def memory(self) -> float:
        """Records that are remembered: of 14 days, where they come regularly."""
        cadence = self.detector.cadence
        return memory_of(_DAY / cadence) if cadence > 0 else MOST_RECORDS

    @property
    def _kept(self) -> int:
        return BINS + state_size(len(self.detector.schema.numbers))

    @property
    def state_size(self) -> int:
        """S: the detector's own, a histogram of its surprises, the state of the rule."""
        return self.inner.state_size + self._kept

    @property
    def width(self) -> int:
        """D."""
        return self.inner.width + HALVES + len(self.components) + COLUMNS

    @property
    def warm_after(self) -> int:
        """As the detector's own."""
        return self.inner.warm_after

    def fresh(self, entities: Sequence[str]) -> Floats:
        """[len(entities), S] of changes nothing is known."""
        return self._with(self.inner.fresh(entities))

    def _with(self, own: Floats, kept: Floats | None = None) -> Floats:
        nothing = np.zeros((len(own), self._kept), np.float32)
        return np.concatenate([own, nothing if kept is None else kept], axis=1)

    def extend(self, states: Floats, owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance `states` in place, in row order, and return the context of each row."""
        at = self.inner.state_size
        touched, local = np.unique(owners, return_inverse=True)
        places = local.astype(np.intp)
        own, histograms, kept = (
            np.ascontiguousarray(states[touched, part])
            for part in (slice(at), slice(at, at + BINS), slice(at + BINS, None))
        )
        contexts = self.inner.extend(own, places, batch)
        scores = self.detector.score(batch, contexts)
        surprise, memory = scores.against_training, self.memory
        told = follow(
            kept,
            places,
            batch.times,
            in_rates_of(self.detector, batch, contexts).numbers,
            surprise,
            Lately(memory).rank(histograms, places, surprise),
            self.groups.thresholds(self.threshold, batch),
            memory,
            passes=surprise is scores.surprise,
            again=self.after is AfterStep.ASK,
        )
        states[touched] = np.concatenate([own, histograms, kept], axis=1)
        features = np.column_stack([contexts.features, *self._columns(scores), told])
        return Contexts(np.asarray(features, np.float32), contexts.seen)

    def _columns(self, scores: Scores) -> list[Floats]:
        return [
            scores.surprise,
            scores.reconstruction,
            scores.density,
            scores.extrapolated.astype(np.float32),
            *(scores.components[name] for name in self.components),
        ]

    def adopt(self, states: Floats, previous: ContextEncoder) -> Floats | None:
        """States that continue those of another encoder; what is known of changes outlasts a new model, as surprises mean the
        same with each. `previous` may be the plain encoder of a detector whose states were kept with it."""
        previous = uncorrected(previous)
        before = previous.inner if isinstance(previous, StepContext) else previous
        own = self.inner.adopt(np.ascontiguousarray(states[:, : before.state_size]), before)
        if own is None:
            return None
        kept = states[:, before.state_size :]
        return self._with(own, kept if kept.shape[1] == self._kept else None)


def with_or_without_steps(states: Floats, size: int) -> Floats:
    """[E, size] states of the same model where a monitor asks about lasting changes now, or does so no more: what they are
    known by comes last, and is zeros at first. Others are returned as they are."""
    more = size - states.shape[1]
    means = abs(more) - BINS - state_size(0)
    if means <= 0 or means % (state_size(1) - state_size(0)):
        return states
    return states[:, :size] if more < 0 else np.pad(states, ((0, 0), (0, more)))
