"""Records as channels: every feature on one scale, per entity, clipped softly; and which constant features moved.

A value that is missing although training never lacked it counts as a constant that moved, as it does of records that stand alone.

Batch [N] → z [N, C] float32 with NaN where missing, moved [N] float32
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.cyclic import on_the_dial
from latentwatch.detector.entities import places_of, rows_by_entity
from latentwatch.domain.record import Batch, Value, values_of
from latentwatch.domain.schema import FeatureType, RecordSchema

CLIP = 2.0
"""Beyond this many scales a channel grows logarithmically, so that one wild sensor does not hide the others."""

_WORDS_KEPT = 16
ROWS_PER_DEGREE = 50.0
"""Autocorrelated rows that tell as much about an entity's level as one independent row (an assumption, on purpose low)."""
DISCRETE_VALUES = 10
"""A channel of at most so many values is not graded."""
_FEW_ENTITIES = 3.0
"""How much wider than measured the spread between two or three entities is taken to be."""


@dataclass(frozen=True, slots=True)
class Channels:
    """How a batch becomes channels. Numbers give one channel each, cyclic ones two, a category one per known word
    and one for all others."""

    schema: RecordSchema
    words: tuple[tuple[str, ...], ...]
    """Known words of each category, by frequency."""
    entities: tuple[str, ...]
    """Entities with offsets of their own; any other has the population's."""
    centre: NDArray[np.float32]
    """[1 + entities, C] what is subtracted; row 0 is the population's."""
    scale: NDArray[np.float32]
    """[C] what is divided by; 0 for a channel constant in training."""
    tolerance: NDArray[np.float32]
    """[C] how far a constant channel may be off before it has moved; infinite where its value is not known."""
    whole: NDArray[np.bool_]
    """[C] whether training never lacked a value; of a feature of several channels the first alone says so."""

    @property
    def count(self) -> int:
        """C."""
        return len(self.scale)

    @property
    def owners(self) -> NDArray[np.intp]:
        """[C] index in `schema.names` of each channel's feature."""
        return np.array([self.schema.names.index(name) for name, _ in channel_names(self.schema, self.words)], np.intp)

    @property
    def of_features(self) -> NDArray[np.bool_]:
        """[F, C] which channels are each feature's, in the order of `schema.names`."""
        return np.asarray(self.owners[None, :] == np.arange(len(self.schema.names))[:, None])

    def of_number(self, name: str) -> int:
        """The channel of a plain number. Raises ValueError where it is none."""
        return channel_names(self.schema, self.words).index((name, ""))

    def entity_rows(self, entities: NDArray[np.object_]) -> NDArray[np.intp]:
        """[N] row of `centre` for each record."""
        if not self.entities:
            return np.zeros(len(entities), np.intp)
        return places_of(entities, {name: row for row, name in enumerate(self.entities, 1)}, 0)

    def strangers(self, entities: NDArray[np.object_]) -> NDArray[np.bool_]:
        """[N] whether a record's entity was not in training although training knew several."""
        if not self.entities:
            return np.zeros(len(entities), bool)
        return np.asarray(self.entity_rows(entities) == 0)

    @property
    def between(self) -> NDArray[np.float32]:
        """[C] variance between entities' levels, in squared scales: how far off a new entity may lie.

        That of the predictive t distribution, so that two or three entities are not taken for the whole population.
        """
        offsets = (self.centre[1:] - self.centre[0]).astype(np.float64)
        count, freedom = len(offsets), max(1, len(offsets) - 1)
        heavier = freedom / (freedom - 2) if freedom > 2 else _FEW_ENTITIES
        variance = (offsets**2).sum(axis=0) / freedom * (1 + 1 / count) * heavier
        divisor = np.where(self.scale > 0, self.scale, 1.0).astype(np.float64)
        return np.where(self.scale > 0, variance / divisor**2, 0.0).astype(np.float32)

    def transform(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """z [N, C], NaN where missing, and [N] the number of constant channels that moved, carry an unseen word, or
        are missing as never in training."""
        z, moved = self.scaled(batch)
        return soft_clip(z), moved

    def scaled(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`transform` without the soft clip."""
        offset = raw_channels(batch, self.words) - self.centre[self.entity_rows(batch.entities)]
        still = self.scale == 0
        moved = self._moved(offset).sum(axis=1).astype(np.float32)
        z = np.asarray(offset / np.where(still, 1.0, self.scale), np.float32)
        z[:, still] = 0.0
        return z, moved

    def movements(self, batch: Batch) -> NDArray[np.bool_]:
        """[N, C] whether a channel is constant in training and off its value here, or missing as it never was."""
        return self._moved(raw_channels(batch, self.words) - self.centre[self.entity_rows(batch.entities)])

    def _moved(self, offset: NDArray[np.float32]) -> NDArray[np.bool_]:
        """`movements` of channels [N, C] less their centre."""
        out = np.isnan(offset) & self.whole
        still = np.flatnonzero(self.scale == 0)
        out[:, still] |= np.abs(offset[:, still]) > self.tolerance[still]
        return out

    def values(
        self,
        z: NDArray[np.float32],
        entities: NDArray[np.object_],
        span: NDArray[np.float32],
        levels: NDArray[np.float32] | None = None,
    ) -> list[dict[str, Value]]:
        """Records as people see them, from unclipped channels [N, C]; None for text. Numbers of entities known from
        training are kept within `span` [2, F], lowest and highest; then `levels` [N, C], where given, are added to them,
        in scales."""
        raw = z * self.scale + self.centre[self.entity_rows(entities)]
        numbers = np.empty((len(raw), len(self.schema.numbers)), np.float32)
        moved = np.zeros_like(numbers)
        at = 0
        for column, name in enumerate(self.schema.numbers):
            period = self.schema.feature(name).period
            if period is None:
                numbers[:, column] = raw[:, at]
                moved[:, column] = 0.0 if levels is None else levels[:, at] * self.scale[at]
            else:
                numbers[:, column] = on_the_dial(np.arctan2(raw[:, at], raw[:, at + 1]) / (2 * np.pi), period)
            at += 1 if period is None else 2
        known = ~self.strangers(entities)
        numbers[known] = np.clip(numbers[known], *span)
        numbers += moved
        words: dict[str, list[str | None]] = {name: [None] * len(raw) for name in self.schema.texts}
        for name, choices in zip(self.schema.categories, self.words, strict=True):
            likeliest = raw[:, at : at + len(choices) + 1].argmax(axis=1).tolist()
            words[name] = [choices[min(best, len(choices) - 1)] if choices else None for best in likeliest]
            at += len(choices) + 1
        return values_of(self.schema, numbers, words)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {"centre": self.centre, "scale": self.scale, "tolerance": self.tolerance, "whole": self.whole}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"words": [list(words) for words in self.words], "entities": list(self.entities)}

    @classmethod
    def from_bundle(cls, schema: RecordSchema, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`. Raises ValueError where shapes do not fit the schema."""
        words = tuple(tuple(map(str, known)) for known in meta["words"])
        entities = tuple(map(str, meta["entities"]))
        count = len(channel_names(schema, words))
        centre, *by_channel = (arrays[name] for name in ("centre", "scale", "tolerance", "whole"))
        if centre.shape != (1 + len(entities), count) or any(each.shape != (count,) for each in by_channel):
            raise ValueError("channel scaling does not fit the record schema")
        return cls(schema, words, entities, centre, *by_channel)


def channel_names(schema: RecordSchema, words: tuple[tuple[str, ...], ...]) -> list[tuple[str, str]]:
    """(feature, channel) of each channel in order: numbers first, then categories."""
    names: list[tuple[str, str]] = []
    for name in schema.numbers:
        parts = ("sin", "cos") if schema.feature(name).type is FeatureType.CYCLIC else ("",)
        names += [(name, part) for part in parts]
    for name, known in zip(schema.categories, words, strict=True):
        names += [(name, word) for word in known] + [(name, "another word")]
    return names


def raw_channels(batch: Batch, words: tuple[tuple[str, ...], ...]) -> NDArray[np.float32]:
    """[N, C] unscaled channels; NaN where missing, and where a number is infinite."""
    columns = []
    with np.errstate(invalid="ignore"):
        for column, name in enumerate(batch.schema.numbers):
            feature = batch.schema.feature(name)
            values = batch.numbers[:, column]
            if feature.period is not None:
                angle = values.astype(np.float64) * (2 * np.pi / feature.period)
                columns += [np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)]
            else:
                columns.append(values)
    for column, known in enumerate(words):
        columns += _one_hot(batch.categories[:, column], known)
    raw = np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(batch), 0), np.float32)
    raw[~np.isfinite(raw)] = np.nan
    return raw


def _one_hot(values: NDArray[np.object_], known: tuple[str, ...]) -> list[NDArray[np.float32]]:
    """One column per known word, then one for any other; all NaN where the value is missing."""
    places = {word: place for place, word in enumerate(known)}
    other = len(known)
    place = np.fromiter(
        (-1 if value is None else places.get(value, other) for value in values.tolist()), np.intp, len(values)
    )
    missing = np.where(place < 0, np.float32(np.nan), np.float32(0))
    return [(place == index) + missing for index in range(other + 1)]


def soft_clip(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Identity within +-CLIP, logarithmic beyond, smooth at the seam.

    >>> soft_clip(np.array([1.0, -2.0, 2 * np.e], np.float32)).round(3).tolist()
    [1.0, -2.0, 4.0]
    """
    size = np.abs(z)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.copysign(CLIP * (1 + np.log(size / CLIP)), z)
    return np.where(size > CLIP, beyond, z).astype(np.float32)


def unclip(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `soft_clip`."""
    size = np.abs(z)
    return np.where(size > CLIP, np.copysign(CLIP * np.exp(np.minimum(size / CLIP - 1, 20.0)), z), z).astype(np.float32)


def fit_channels(batch: Batch) -> Channels:
    """Learn words, entity offsets and scales from normal records."""
    words = tuple(_frequent(batch.categories[:, column]) for column in range(len(batch.schema.categories)))
    raw = raw_channels(batch, words)
    entities, owners = np.unique(batch.entities.astype(str), return_inverse=True)
    centre = _centres(raw, owners, len(entities))
    numbers = sum(1 for name, _ in channel_names(batch.schema, words) if name in batch.schema.numbers)
    centre[1:, numbers:] = centre[0, numbers:]  # what a word means does not depend on the entity
    scale = np.zeros(raw.shape[1], np.float32)
    tolerance = np.full(raw.shape[1], np.inf, np.float32)
    spread_out = np.ptp(centre[1:], axis=0)
    for column in range(raw.shape[1]):
        value = raw[:, column] - centre[1 + owners, column]
        value = value[np.isfinite(value)]
        shift, scale[column] = _location_and_scale(value, raw[:, column])
        centre[:, column] += shift
        if scale[column] == 0 and len(value):
            size = float(np.abs(centre[0, column]))
            tolerance[column] = max(1e-3 * size, 1e-6) if spread_out[column] <= 1e-6 * max(size, 1e-6) else np.inf
    # Infinity cannot be stored in a bundle; no reading is further off than this.
    tolerance = np.minimum(tolerance, np.float32(1e30))
    kept = tuple(map(str, entities)) if len(entities) > 1 else ()
    centre = centre if len(entities) > 1 else centre[1:]
    names = [name for name, _ in channel_names(batch.schema, words)]
    first = np.array([name not in names[:at] for at, name in enumerate(names)], bool)
    whole = np.isfinite(raw).all(axis=0) & first
    return Channels(batch.schema, words, kept, centre.astype(np.float32), scale, tolerance, whole)


def _frequent(values: NDArray[np.object_]) -> tuple[str, ...]:
    words, counts = np.unique([value for value in values.tolist() if value is not None], return_counts=True)
    return tuple(str(word) for word in words[np.argsort(-counts, kind="stable")][:_WORDS_KEPT])


def _centres(raw: NDArray[np.float32], owners: NDArray[np.intp], entities: int) -> NDArray[np.float64]:
    """[1 + entities, C] levels: the population's, then each entity's drawn towards it (empirical Bayes).

    An entity's own weight is B / (B + W / n), with B the variance between entities' levels, W that within an entity and
    n its rows in independent equivalents.
    """
    count = raw.shape[1]
    levels = np.zeros((entities, count))
    within = np.zeros((entities, count))
    degrees = np.zeros(entities)
    for entity, mine in enumerate(rows_by_entity(owners)):
        rows = raw[mine].astype(np.float64)
        seen = np.isfinite(rows).any(axis=0)
        if seen.any():
            levels[entity, seen] = np.nanmedian(rows[:, seen], axis=0)
            within[entity, seen] = np.nanvar(rows[:, seen], axis=0)
        levels[entity, ~seen] = np.nan
        degrees[entity] = max(1.0, len(rows) / ROWS_PER_DEGREE)
    known = np.isfinite(levels)
    population = np.array([np.median(levels[known[:, c], c]) if known[:, c].any() else 0.0 for c in range(count)])
    levels = np.where(known, levels, population)
    inside = np.maximum(within.mean(axis=0), 0.0)
    between = np.maximum(levels.var(axis=0) - inside / degrees.mean(), 0.0)
    noise = inside / degrees[:, None]
    weight = np.where(noise > 0, between / np.maximum(between + noise, 1e-30), 1.0)
    return np.vstack([population, population + weight * (levels - population)])


def _location_and_scale(value: NDArray[np.float64], raw: NDArray[np.float32]) -> tuple[float, float]:
    """Shift and scale of one channel, already centred by entity; scale 0 where it never moves."""
    if not len(value):
        return 0.0, 0.0
    size = float(np.nanmax(np.abs(raw)))
    spread = float(value.std())
    if spread <= 1e-5 * max(size, 1e-9):
        return 0.0, 0.0
    if len(np.unique(raw[np.isfinite(raw)])) <= DISCRETE_VALUES:
        return float(value.mean()), max(spread, float(np.ptp(value)) / 4)
    return robust_location_and_scale(value)


def robust_location_and_scale(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Median and the normal deviation that the middle 90 % of values [n] have; mean and standard deviation where those are
    much narrower than the rest."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    robust, spread = float(high - low) / 3.29, float(values.std())
    return (float(middle), robust) if robust > 0.2 * spread else (float(values.mean()), spread)
