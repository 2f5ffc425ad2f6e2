"""Why a record is strange: what each feature should have shown given the others, and normal records like it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts, MapGround
from latentwatch.detector.sequences.blame import contributions, suspects
from latentwatch.detector.sequences.channels import unclip
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.model import SequenceModel
from latentwatch.detector.sequences.newcomer_levels import belief_width
from latentwatch.detector.sequences.novelty import NOVELTY
from latentwatch.domain.record import Batch, Value, values_of
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Neighbour

Floats = NDArray[np.float32]

_NEIGHBOURS = 3
_NEAREST_BY_PRODUCT = 8
"""Remembered records whose distances are measured: a matrix product finds them, not quite in their order."""
_CHUNK = 256
"""Rows compared with them at a time: bounds what that takes."""


@dataclass(frozen=True, slots=True)
class ReferenceRecords:
    """Some normal training records, and the map that codes are shown on."""

    whitened: Floats
    """[M, K] their context in the coordinates of the component that explains."""
    numbers: Floats
    """[M, F] their values, gaps filled."""
    words: tuple[tuple[str, ...], ...]
    """[M] their categories, empty where missing."""
    ground: MapGround

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {
            "whitened": self.whitened,
            "numbers": self.numbers,
            "map.x": self.ground.x,
            "map.y": self.ground.y,
            "map.density": self.ground.density,
            "map.sample": self.ground.sample,
            "map.contours": self.ground.contours,
        }

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"words": [list(words) for words in self.words]}

    @classmethod
    def from_bundle(cls, schema: RecordSchema, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`."""
        x, y, density, sample, contours = (
            arrays[f"map.{part}"] for part in ("x", "y", "density", "sample", "contours")
        )
        ground = MapGround(x, y, density, sample, contours)
        words = tuple(tuple(map(str, row)) for row in meta["words"])
        if arrays["numbers"].shape != (len(arrays["whitened"]), len(schema.numbers)) or len(words) != len(
            arrays["whitened"]
        ):
            raise ValueError("the remembered records do not fit the schema")
        return cls(arrays["whitened"], arrays["numbers"], words, ground)

    @property
    def span(self) -> Floats:
        """[2, F] the lowest and the highest of each number."""
        return np.stack([self.numbers.min(axis=0), self.numbers.max(axis=0)])

    def values(self, rows: NDArray[np.intp], schema: RecordSchema) -> list[dict[str, Value]]:
        """Remembered records as people see them; of texts nothing is remembered."""
        remembered = [self.words[row] for row in rows.tolist()]
        words: dict[str, list[str | None]] = {name: [None] * len(rows) for name in schema.texts}
        for column, name in enumerate(schema.categories):
            words[name] = [row[column] or None for row in remembered]
        return values_of(schema, self.numbers[rows], words)


def explain_rows(
    model: SequenceModel,
    context: SequenceContext,
    memory: ReferenceRecords,
    batch: Batch,
    contexts: Contexts,
    parts: list[dict[str, float]],
    relief: Callable[[NDArray[np.intp]], Mapping[str, Floats]],
) -> list[Explanation]:
    """One explanation per row of the batch; `parts` are what components add to each, `relief` gives by
    name, for features [N, K] that are tried, how far each calms a component [N, F]. What is new is of constants that moved and of values missing as never in training."""
    whitened = model.explaining.whiten(contexts.features)
    codes = model.coded.codes(contexts.features)
    places = model.coded.places(codes)
    reductions, expected = model.explaining.conditionals(contexts.features)
    expected, levels = _in_scales(context, batch, contexts, expected)
    moved = _by_feature(context, context.channels.movements(batch))
    pulls = _by_feature(context, reductions)
    tried = suspects(pulls, _by_feature(context, np.square(context.layout.charts(contexts.features))))
    split = contributions(parts, {**relief(tried), NOVELTY: moved}, pulls)
    neighbours = _neighbours(whitened, memory, batch.schema)
    names = batch.schema.names
    return [
        Explanation(usual, dict(zip(names, shared, strict=True)), near, tuple(code), (x, y), added)
        for usual, shared, near, code, (x, y), added in zip(
            context.channels.values(expected, batch.entities, memory.span, levels),
            split.tolist(),
            neighbours,
            codes.tolist(),
            places.tolist(),
            parts,
            strict=True,
        )
    ]


def _neighbours(whitened: Floats, memory: ReferenceRecords, schema: RecordSchema) -> list[tuple[Neighbour, ...]]:
    """The remembered records nearest to each row [N, K], nearest first."""
    known = memory.whitened
    squares = np.einsum("mk,mk->m", known, known)
    some = min(_NEAREST_BY_PRODUCT, len(known))
    found: list[tuple[Neighbour, ...]] = []
    for start in range(0, len(whitened), _CHUNK):
        rows = whitened[start : start + _CHUNK]
        near = np.sort(np.argpartition(squares - 2.0 * (rows @ known.T), some - 1, axis=1)[:, :some], axis=1)
        distances = np.sqrt(((rows[:, None] - known[near]) ** 2).mean(axis=2))
        order = np.argsort(distances, axis=1, kind="stable")[:, :_NEIGHBOURS]
        values = iter(memory.values(np.take_along_axis(near, order, axis=1).ravel(), schema))
        nearest = np.take_along_axis(distances, order, axis=1).tolist()
        found += [tuple(Neighbour(distance, next(values)) for distance in row) for row in nearest]
    return found


def _by_feature(context: SequenceContext, channels: NDArray[Any]) -> Floats:
    """[N, F] sums over each feature's channels [N, C]."""
    of_features = context.channels.of_features.astype(np.float32)
    return np.asarray(channels.astype(np.float32) @ of_features.T)


def _in_scales(
    context: SequenceContext, batch: Batch, contexts: Contexts, expected: Floats
) -> tuple[Floats, Floats | None]:
    """Expected channels [N, C], unclipped, in scales from the known level of the entity or from the population's; and
    how far the level has been followed from there [N, C], where it is.

    A context row does not tell the level that a stranger's record was read against, nor one that was followed. But how far
    the expected value lies from the record's own is the same on either reading, up to the width of the belief.
    """
    channels, followed = context.channels, context.levels.followed
    out, levels = unclip(expected) * context.levels.spreads, None
    strange = channels.strangers(batch.entities)[:, None]
    if not (followed or strange.any()):
        return out, None
    read = unclip(contexts.features[:, : channels.count]) * context.levels.spreads
    known = channels.scaled(batch)[0]
    if followed:
        levels = np.where(strange | (context.levels.rates == 0), 0.0, np.nan_to_num(known - read)).astype(np.float32)
    if strange.any():
        moved = known + (out - read) * belief_width(contexts.seen, channels.between)
        out = np.where(strange & np.isfinite(moved), moved, out)
    return out, levels
