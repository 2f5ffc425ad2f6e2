"""Which feature, put right, would make a record normal: the evidence behind contributions and expected values.

A residual blames the wrong feature as soon as the record's neighbours are wrong too: one sensor far off drags the record
to a strange part of normal, where all the others look off. So each feature is left out in turn, taken from the normal
records that agree in everything else, and the whole record is judged again. What its anomaly score falls by is the feature's
part.
"""

from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.met_rows import SHOWN, Met
from latentwatch.detector.rows.features import Features
from latentwatch.detector.rows.gaps import fill_gaps
from latentwatch.detector.rows.model import STUDY, RowModel
from latentwatch.detector.spread import spread_over

Floats: TypeAlias = NDArray[np.float32]
REFERENCES = 512
"""Normal rows among which a left-out feature finds its value, spread over the memory, which is ordered by place."""
MOST_TRIED = 8
"""Features of a record that are left out in turn, the most suspect; the others get no part of the relief."""
CHUNK = 64
"""Records repaired at a time."""
RETRIAL = replace(STUDY, neighbours=SHOWN)
"""How hard a repaired record is looked at: what a misfit leaves out, what more neighbours tell and their plane, need
not be found."""


class Repairs(NamedTuple):
    """What repairing one feature at a time does to N records."""

    relief: Floats
    """[N, F] by how much the anomaly score falls, not negative."""
    values: Floats
    """[N, P] the records with the feature of most relief repaired."""


def repair(model: RowModel, features: Features, met: Met, suspect: Floats) -> Repairs:
    """Repair N records looked at with all care; `suspect` [N, F] says which features to try first."""
    values, whole, misfit = met.values, np.broadcast_to(met.present, met.values.shape), model.misfit(met)
    parts = [
        _repair(model, features, values[rows], whole[rows], misfit[rows], suspect[rows])
        for rows in (slice(start, start + CHUNK) for start in range(0, len(values), CHUNK))
    ]
    return Repairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _repair(
    model: RowModel, features: Features, values: Floats, present: Floats, misfit: Floats, suspect: Floats
) -> Repairs:
    count, names = len(values), suspect.shape[1]
    tried = np.argsort(-suspect, axis=1, kind="stable")[:, :MOST_TRIED]
    kept = features.owners != tried[:, :, None]  # [N, T, P]
    mask = (present[:, None] * kept).reshape(-1, values.shape[1]).astype(np.float32)
    references = model.normal.rows[spread_over(len(model.normal.rows), REFERENCES)]
    variants = fill_gaps(np.repeat(values, tried.shape[1], axis=0), mask, references)
    # What was missing stays missing: only the feature left out is judged anew.
    known = np.repeat(present, tried.shape[1], axis=0)
    after = model.misfit(model.meet(np.ascontiguousarray(variants), np.ascontiguousarray(known), RETRIAL))
    falls = np.maximum(misfit[:, None] - after.reshape(tried.shape), 0.0)
    relief = np.zeros((count, names), np.float32)
    np.put_along_axis(relief, tried, falls, axis=1)
    best = falls.argmax(axis=1)
    chosen = variants.reshape(*tried.shape, -1)[np.arange(count), best]
    return Repairs(relief, np.where(falls.max(axis=1, keepdims=True) > 0, chosen, values))
