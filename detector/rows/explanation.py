"""Why a record scored as it did, in the record's own terms.

Contributions split the surprise, so that they sum to it: one half by how much repairing each feature alone
would calm the record, the other by how far each stands from what the others predict, where that can be said. Expected
values are a plausible normal record: the most guilty feature is repaired, and the whole is the mean of
the normal rows nearest to the repaired one.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.met_rows import SHOWN, Met
from latentwatch.detector.rows.features import Features
from latentwatch.detector.rows.model import STUDY, RowModel
from latentwatch.detector.rows.normal_records import Normal
from latentwatch.detector.rows.relations import RowRelations
from latentwatch.detector.rows.repair import repair
from latentwatch.detector.rows.row_map import RowMap
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Neighbour, Scores

Floats: TypeAlias = NDArray[np.float32]


def explain_rows(
    features: Features,
    model: RowModel,
    relations: RowRelations,
    normal: Normal,
    latent: RowMap,
    batch: Batch,
    met: Met,
    scores: Scores,
    parts: list[dict[str, float]],
) -> list[Explanation]:
    """Why each record of the batch, met with all care, scored as it did; `parts` are what components add to each."""
    values, present = met.values, met.present
    residual = _by_feature(np.square(model.rebuilding.rebuilt(met) - values) * present, features)
    missing = _by_feature(np.broadcast_to(1.0 - present, values.shape), features) > 0
    beyond = np.where(missing, 0.0, relations.beyond_usual(values, features))
    suspect = np.maximum(_parts(residual), _parts(beyond)).astype(np.float32)
    repairs = repair(model, features, met, suspect)
    shares = _shares(repairs.relief, beyond, residual, missing)
    repaired = np.ascontiguousarray(repairs.values)
    expected = model.rebuilding.rebuilt(model.meet(repaired, present, STUDY)) * model.divisor
    codes = model.coded.codes(met.values)
    places = latent.basis.places(codes)
    schema, names = features.schema, features.schema.names
    readings = features.read(expected.astype(np.float64), batch.entities)
    neighbours = _neighbours(normal, schema, met.nearest[:, :SHOWN], met.distances[:, :SHOWN])
    for reading, nearest in zip(readings, neighbours, strict=True):
        reading.update({name: nearest[0].values[name] for name in schema.texts})
    coded = codes.tolist()
    return [
        Explanation(
            expected=readings[row],
            contributions=dict(zip(names, (shares[row] * scores.surprise[row]).tolist(), strict=True)),
            neighbours=neighbours[row],
            code=tuple(coded[row]),
            place=(float(places[row, 0]), float(places[row, 1])),
            parts=parts[row],
        )
        for row in range(len(batch))
    ]


def _by_feature(columns: Floats, features: Features) -> Floats:
    """[N, F] the sum of each feature's columns [N, P]."""
    out = np.zeros((len(columns), len(features.schema.names)), np.float32)
    for column, owner in enumerate(features.owners):
        out[:, owner] += columns[:, column]
    return out


def _parts(amounts: NDArray[Any]) -> NDArray[np.float64]:
    """[N, F] each feature's part of a row's amounts, not negative; 0 where there are none."""
    wide = amounts.astype(np.float64)
    total = wide.sum(axis=1, keepdims=True)
    return np.asarray(wide / np.where(total > 0, total, 1.0))


def _shares(relief: Floats, beyond: Floats, residual: Floats, missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """[N, F] each feature's share: the mean of its parts of the relief and of what lies beyond the usual.

    If one of them is empty, the other counts alone, and so does the relief of a missing value, of which the others predict
    nothing. If both are empty the residual counts; if that is too, the shares are equal.
    """
    by_relief, predicted = _parts(relief), _parts(beyond)
    speaks, told = by_relief.any(axis=1, keepdims=True), predicted.any(axis=1, keepdims=True)
    lacking = np.where(missing, by_relief, 0.0)
    by_others = lacking + (1.0 - lacking.sum(axis=1, keepdims=True)) * predicted
    both = 0.5 * (np.where(speaks, by_relief, by_others) + np.where(told, by_others, by_relief))
    left = _parts(residual)
    left = np.where(left.any(axis=1, keepdims=True), left, 1.0 / left.shape[1])
    return np.where(speaks | told, both, left)


def _neighbours(
    normal: Normal, schema: RecordSchema, places: NDArray[np.int64], distances: Floats
) -> list[tuple[Neighbour, ...]]:
    """The normal records at [N, k] places, each once a row."""
    values = normal.values(places.ravel(), schema)
    found = []
    for start, near, far in zip(
        range(0, places.size, places.shape[1]), places.tolist(), distances.tolist(), strict=True
    ):
        distinct = {place: Neighbour(far[at], values[start + at]) for at, place in enumerate(near)}
        found.append(tuple(distinct.values()))
    return found
