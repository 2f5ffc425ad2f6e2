"""A history as training sees it: read once, with the charts that were learned from it.

Batch [N] -> context rows [N, D], charts by regressions that did not see a row's fold [N, C], standstill [N]
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats
from latentwatch.detector.components.context_rows import TrainingRows
from latentwatch.detector.components.folds import time_blocks
from latentwatch.detector.entities import entity_numbers
from latentwatch.detector.interface import Contexts
from latentwatch.detector.latent.basis import Basis
from latentwatch.detector.sequences.charts import Readings, fit_charts
from latentwatch.detector.sequences.context import SequenceContext, encode, readings_of
from latentwatch.domain.record import Batch


@dataclass(frozen=True, slots=True)
class EncodedHistory:
    """N normal records, each entity's in order of time, and what its context says of each."""

    history: Batch
    context: SequenceContext
    rows: TrainingRows
    seen: NDArray[np.int64]
    """[N] how many records of its entity came before."""
    standstill: Floats
    """[N] by charts that did not learn from a row's fold."""

    def keeping(self, basis: Basis | None) -> Self:
        """The same, to be trained so that the landmarks of a version before keep their places."""
        return replace(self, rows=replace(self.rows, basis=basis))


def learn_charts(untold: SequenceContext, history: Batch) -> EncodedHistory:
    """Read a history by a context without charts, learn them, and add what they say to its rows."""
    contexts, readings = _read(untold, history)
    folds, inner = time_blocks(entity_numbers(history), 4 * untold.window)
    charts, by_others, standstill = fit_charts(readings, folds, inner)
    context = replace(untold, charts=charts)
    context.tell_charts(context.fresh([""] * (int(readings.owners.max()) + 1)), readings, contexts.features)
    rows = TrainingRows(contexts.features, context.layout, folds, inner, by_others)
    return EncodedHistory(history, context, rows, contexts.seen, standstill)


def read_again(context: SequenceContext, history: Batch) -> EncodedHistory:
    """`learn_charts` of a history from which the context has learned them before, in another process."""
    contexts, readings = _read(context, history)
    folds, inner = time_blocks(entity_numbers(history), 4 * context.window)
    _, by_others, standstill = fit_charts(readings, folds, inner)
    rows = TrainingRows(contexts.features, context.layout, folds, inner, by_others)
    return EncodedHistory(history, context, rows, contexts.seen, standstill)


def _read(context: SequenceContext, history: Batch) -> tuple[Contexts, Readings]:
    contexts = encode(context, history)
    return contexts, readings_of(context, history, contexts)
