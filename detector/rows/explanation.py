"""Why a record scored as it did, in the record's own terms.

Contributions split the surprise, so that they sum to it: one half by how much repairing each feature alone
would calm the record, the other by how far each stands from what the others predict, where that can be said. Expected
values are a plausible normal record: the most guilty feature is repaired, and the whole is the mean of
the normal rows nearest to the repaired one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.met_rows import SHOWN, Met
from latentwatch.detector.interface import MapGround
from latentwatch.detector.rows.features import Features
from latentwatch.detector.rows.model import STUDY, RowModel
from latentwatch.detector.rows.relations import RowRelations
from latentwatch.detector.rows.repair import repair
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.record import Batch, Value, values_of
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Neighbour, Scores

Floats: TypeAlias = NDArray[np.float32]
GRID = 48
"""Columns and rows of the map's ground."""
MAP_SAMPLE = 1_000
"""Normal rows shown on the map."""
LONGEST_TEXT = 300
"""Characters of a text that a bundle keeps."""


@dataclass(frozen=True, slots=True)
class Normal:
    """The memory's records as they were, to be shown as neighbours."""

    numbers: Floats
    """[M, numbers] as in a batch."""
    words: tuple[tuple[str | None, ...], ...]
    """By category, then text: the distinct values."""
    index: NDArray[np.int32]
    """[M, categories + texts] which of them each record has."""

    def __len__(self) -> int:
        return len(self.numbers)

    def values(self, places: NDArray[np.int64], schema: RecordSchema) -> list[dict[str, Value]]:
        """The records at those places, feature name to value."""
        names = (*schema.categories, *schema.texts)
        words = {name: [self.words[at][word] for word in self.index[places, at]] for at, name in enumerate(names)}
        return values_of(schema, self.numbers[places], words)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights; NaN, which a bundle does not hold, becomes a mask."""
        missing = np.isnan(self.numbers)
        return {"numbers": np.nan_to_num(self.numbers), "missing": missing, "index": self.index}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"words": [list(words) for words in self.words]}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], schema: RecordSchema) -> Self:
        """The inverse of `arrays` and `meta`."""
        numbers, index = np.where(arrays["missing"], np.nan, arrays["numbers"]).astype(np.float32), arrays["index"]
        words = tuple(tuple(words) for words in meta["words"])
        columns = len(schema.categories) + len(schema.texts)
        fits = numbers.shape == (len(index), len(schema.numbers)) and index.shape[1:] == (len(words),) == (columns,)
        if not fits or any(len(index) and index[:, at].max() >= len(known) for at, known in enumerate(words)):
            raise BundleRefused("the normal records do not fit the schema; the bundle is damaged: train again")
        return cls(numbers, words, index)


def keep_normal(batch: Batch) -> Normal:
    """The records of a batch, to be kept with the memory."""
    words, index = [], np.zeros((len(batch), len(batch.schema.categories) + len(batch.schema.texts)), np.int32)
    for at, column in enumerate([*batch.categories.T, *batch.texts.T]):
        values = [None if value is None else str(value)[:LONGEST_TEXT] for value in column]
        places = {value: place for place, value in enumerate(dict.fromkeys(values))}
        words.append(tuple(places))
        index[:, at] = [places[value] for value in values]
    return Normal(np.where(np.isfinite(batch.numbers), batch.numbers, np.nan).astype(np.float32), tuple(words), index)


@dataclass(frozen=True, slots=True)
class LatentMap:
    """Two directions of the latent space, and how dense normal codes are on them."""

    middle: Floats
    """[K]"""
    directions: Floats
    """[K, 2]"""
    ground: MapGround = field(compare=False)

    def place(self, codes: Floats) -> Floats:
        """[N, 2]; squashed towards the edge of the ground, so that nothing lies off the map."""
        flat = (codes - self.middle) @ self.directions
        out: Floats = (4.0 * np.tanh(flat / 4.0)).astype(np.float32)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        ground = {"x": self.ground.x, "y": self.ground.y, "density": self.ground.density, "sample": self.ground.sample}
        return {"middle": self.middle, "directions": self.directions, **ground}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], code_size: int) -> Self:
        """The inverse of `arrays`."""
        ground = MapGround(arrays["x"], arrays["y"], arrays["density"], arrays["sample"])
        shapes = (ground.density.shape, arrays["middle"].shape, arrays["directions"].shape)
        if shapes != ((len(ground.y), len(ground.x)), (code_size,), (code_size, 2)):
            raise BundleRefused("the latent map has a wrong shape; the bundle is damaged: train again")
        return cls(arrays["middle"], arrays["directions"], ground)


def fit_map(codes: Floats, seed: int) -> LatentMap:
    """The two leading directions of normal codes [N, K], scaled to spread 1, and their density there."""
    middle = codes.mean(axis=0)
    width = codes.shape[1]
    directions = np.zeros((width, 2), np.float32)
    spread, axes = np.linalg.eigh(np.cov(codes.T).reshape(width, width)) if len(codes) > 1 else (np.zeros(0), None)
    if axes is not None:
        count = min(2, width)
        leading = axes[:, ::-1][:, :count] / np.sqrt(np.maximum(spread[::-1][:count], 1e-9))
        leading *= np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(count)])
        directions[:, :count] = leading
    flat = LatentMap(middle, directions, MapGround(*(np.zeros((0, 0), np.float32),) * 4))
    places = flat.place(codes)
    edge = np.linspace(-4.0, 4.0, GRID + 1)
    counts, _, _ = np.histogram2d(places[:, 1], places[:, 0], bins=(edge, edge))
    density = _blurred(counts)
    sample = np.random.default_rng(seed).choice(len(places), min(MAP_SAMPLE, len(places)), replace=False)
    centres = (0.5 * (edge[1:] + edge[:-1])).astype(np.float32)
    ground = MapGround(centres, centres, (density / max(density.max(), 1e-12)).astype(np.float32), places[sample])
    return LatentMap(middle, directions, ground)


def _blurred(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothed over neighbouring cells by a small Gaussian."""
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    kernel /= kernel.sum()
    rows = np.apply_along_axis(np.convolve, 0, counts, kernel, "same")
    return np.asarray(np.apply_along_axis(np.convolve, 1, rows, kernel, "same"), np.float64)


def explain_rows(
    features: Features,
    model: RowModel,
    relations: RowRelations,
    normal: Normal,
    latent: LatentMap,
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
    codes = model.coded.codes(met)
    places = latent.place(codes)
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
