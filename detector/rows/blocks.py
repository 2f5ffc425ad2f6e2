"""Rows that are like their neighbours in time, judged by models that saw nothing of their block of time, for calibration.

Records [N] in order of time -> RowsInBlocks: anomaly scores [N] out of block, at each kind of work
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats
from latentwatch.detector.components.folds import FOLDS, time_blocks
from latentwatch.detector.entities import entity_numbers
from latentwatch.detector.rows.features import fit_features
from latentwatch.detector.rows.fitting import fit_rows
from latentwatch.detector.rows.model import AnomalyScores, RowModel, Work, join, take_rows
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch

_REACH = 32
"""Records beside a block that are left out with it, where there are enough: they resemble its own."""


@dataclass(frozen=True, slots=True)
class RowsInBlocks:
    """A model for each block of time, fitted without it, and the block's rows."""

    models: tuple[RowModel, ...]
    values: tuple[Floats, ...]
    """[n, P] each block's rows, as its model prepares them."""
    present: tuple[Floats, ...]
    """[n, P] or [1, P]"""
    block: NDArray[np.intp]
    """[N] of each row."""
    place: NDArray[np.intp]
    """[N] the row's place in its block."""

    def judge(self, work: Work, rows: NDArray[np.intp]) -> AnomalyScores:
        """Anomaly scores of those of the rows, each as a new one."""
        parts, order = [], []
        for number, (model, values, present) in enumerate(zip(self.models, self.values, self.present, strict=True)):
            mine = np.flatnonzero(self.block[rows] == number)
            at = self.place[rows[mine]]
            met = model.meet(values[at], present if len(present) == 1 else present[at], work)
            parts.append(model.judge(met.as_new()))
            order.append(mine)
        return take_rows(join(parts), np.argsort(np.concatenate(order), kind="stable"))


def fit_in_blocks(records: Batch, choice: ModelChoice) -> RowsInBlocks:
    """Fit a model without each third of every entity's time and what lies beside it, on records in order of time."""
    block, inner = time_blocks(entity_numbers(records), _REACH)
    place = np.zeros(len(records), np.intp)
    models, values, present = [], [], []
    for number in range(FOLDS):
        inside = np.flatnonzero(block == number)
        place[inside] = np.arange(len(inside))
        seen = records.take((block != number) & inner)
        features = fit_features(seen, choice.seed)
        model = fit_rows(features.transform(seen), features, choice, _silently)[0].model
        rows, there = model.prepare(features.transform(records.take(inside)))
        models.append(model)
        values.append(rows)
        present.append(there)
    return RowsInBlocks(tuple(models), tuple(values), tuple(present), block, place)


def _silently(step: str, share: float) -> None:
    """Progress that nobody watches: it is told of the model that serves."""
