"""Rows as they would be if some features were as the others predict: as the nearest normal rows show them.

Batch [N] + features to leave out [N, K] → rows [N, P] in the space of the memory
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.rows.features import Features
from latentwatch.detector.rows.gaps import fill_gaps
from latentwatch.detector.rows.model import RowModel
from latentwatch.domain.record import Batch

Floats: TypeAlias = NDArray[np.float32]


def neutral(
    model: RowModel, features: Features, batch: Batch, names: Sequence[str], left: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Prepared rows [N, P], and 1 where a value is present, with the named features that are left out of a row, [N, K],
    taken from the normal rows that agree with it in everything else: the mean of a few, but a word, of which there is no
    mean, from the nearest alone."""
    values, present = model.prepare(features.transform(batch))
    kept = np.array(np.broadcast_to(present, values.shape))
    words = np.zeros(values.shape[1], bool)
    for place, name in enumerate(names):
        columns = features.owners == features.schema.names.index(name)
        words |= columns & (name not in features.schema.numbers)
        kept[np.ix_(left[:, place], np.flatnonzero(columns))] = 0.0
    filled = fill_gaps(values, kept, model.normal.by_column)
    if words.any():
        filled[:, words] = fill_gaps(values, kept, model.normal.by_column, 1)[:, words]
    return filled, present


def deviations(model: RowModel, features: Features, batch: Batch, names: Sequence[str]) -> NDArray[np.float64]:
    """[N, K] how far each named plain number lies from what the others predict, in its own unit; NaN where it is missing."""
    out = np.empty((len(batch), len(names)))
    for place, name in enumerate(names):
        column = features.schema.numbers.index(name)
        filled, _ = neutral(model, features, batch, [name], np.ones((len(batch), 1), bool))
        centres = filled[:, : len(features.scale.centre)] * model.divisor[: len(features.scale.centre)]
        expected = features.scale.inverse(centres.astype(np.float64), batch.entities)
        out[:, place] = batch.numbers[:, column] - expected[:, features.plain.index(column)]
    return out
