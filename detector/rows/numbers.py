"""Numeric columns on one scale: z-scores, drawn in beyond eight, centred per entity where there are several.

[N, F] numbers with NaN -> [N, F] of order 1, NaN where missing
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import places_of, rows_by_entity
from latentwatch.detector.kernels import compiled_exactly
from latentwatch.domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]
LINEAR_UNTIL = 8.0
"""Spreads from the centre up to which a value counts in full; beyond, only its logarithm does."""
LARGEST = 3e38
"""What an infinity counts as."""
MOVED = 4.0
"""Where a value stands that has no spread to be measured by: a constant that moved, a word never seen, a value missing
that was never missing."""
ENTITY_PRIOR = 30.0
"""Records an entity needs before its own centre counts as much as the population's."""


@dataclass(frozen=True, slots=True)
class NumberScale:
    """Centre and spread of F columns, and each known entity's own centre."""

    centre: NDArray[np.float64]
    """[F]"""
    spread: NDArray[np.float64]
    """[F]; 0 for a column that was constant in training."""
    entities: tuple[str, ...]
    """Names with a centre of their own; empty where there is one entity only."""
    shifts: NDArray[np.float64]
    """[E, F] what to add to the centre for each entity, shrunk towards 0 where the entity had few records."""

    def stretch(self, entities: NDArray[np.object_]) -> NDArray[np.float64]:
        """[N, F] or [1]: how much wider a record's normal is than within an entity; 1 for an entity known in training.

        A stranger's own level is not known, so that its normal is as wide as the entities in training differ.
        """
        if len(self.entities) < 2:
            return np.ones(1)
        within = np.where(self.spread > 0, self.spread, 1.0)
        between = np.where(self.spread > 0, self.shifts.var(axis=0, ddof=1), 0.0)
        strange = self._owners(entities) < 0
        return np.where(strange[:, None], np.sqrt(1.0 + between / within**2), 1.0)

    def centres(self, entities: NDArray[np.object_]) -> NDArray[np.float64]:
        """[N, F] or [F]: where each record's normal lies; the population's for an entity never seen."""
        if not self.entities:
            return self.centre
        owner = self._owners(entities)
        shift = self.shifts[owner]
        shift[owner < 0] = 0.0
        return self.centre + shift

    def _owners(self, entities: NDArray[np.object_]) -> NDArray[np.intp]:
        """[N] place of each record's entity; -1 for one never seen."""
        return places_of(entities, {name: place for place, name in enumerate(self.entities)}, -1)

    def transform(self, numbers: NDArray[Any], entities: NDArray[np.object_]) -> NDArray[np.float64]:
        """[N, F] drawn-in z-scores; NaN stays NaN, an infinity becomes a very large value."""
        centres = np.atleast_2d(self.centres(entities))
        widths = np.atleast_2d(self.spread * self.stretch(entities))
        tolerance = 1e-6 * np.maximum(np.abs(self.centre), 1e-6)
        scores = np.empty(numbers.shape, np.float64)
        draw_in(np.ascontiguousarray(numbers, np.float32), centres, widths, tolerance, scores)
        return scores

    def inverse(self, scores: NDArray[np.float64], entities: NDArray[np.object_]) -> NDArray[np.float64]:
        """[N, F] values in the records' own units."""
        size = np.abs(scores)
        grown = LINEAR_UNTIL * np.exp(np.minimum(size / LINEAR_UNTIL - 1.0, 60.0))
        score = np.where(size > LINEAR_UNTIL, np.sign(scores) * grown, scores)
        return np.asarray(self.centres(entities) + score * self.spread * self.stretch(entities), np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"centre": self.centre, "spread": self.spread, "shifts": self.shifts}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], entities: list[str], width: int) -> Self:
        """The inverse of `arrays`, with the entities' names."""
        centre, spread, shifts = arrays["centre"], arrays["spread"], arrays["shifts"]
        if centre.shape != (width,) or spread.shape != (width,) or shifts.shape != (len(entities), width):
            raise BundleRefused("the numbers' scale has a wrong shape; the bundle is damaged: train again")
        return cls(centre, spread, tuple(entities), shifts)


@compiled_exactly
def draw_in(
    numbers: NDArray[Any],
    centres: NDArray[np.float64],
    widths: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Fill scores [N, F] with distances from the centres in widths, linear until eight and logarithmic beyond.

    Centres and widths are [N, F] or [1, F]. Where the width is 0, a number farther than the tolerance [F] has moved.
    """
    for n in range(numbers.shape[0]):
        number, score = numbers[n], scores[n]
        centre, width = centres[n if centres.shape[0] > 1 else 0], widths[n if widths.shape[0] > 1 else 0]
        plain = True
        for j in range(number.shape[0]):
            distance = number[j] - centre[j]
            score[j] = distance / width[j]
            plain &= abs(distance) <= LINEAR_UNTIL * width[j] and width[j] > 0.0
        if plain:
            continue
        for j in range(number.shape[0]):
            if np.isnan(number[j]):
                score[j] = np.nan
                continue
            distance = min(max(np.float64(number[j]), -LARGEST), LARGEST) - centre[j]
            if width[j] == 0.0:
                score[j] = np.sign(distance) * MOVED if abs(distance) > tolerance[j] else 0.0
                continue
            score[j] = distance / width[j]
            if abs(score[j]) > LINEAR_UNTIL:
                beyond = LINEAR_UNTIL * (1.0 + np.log(abs(score[j]) / LINEAR_UNTIL))
                score[j] = np.sign(distance) * beyond


def fit_numbers(numbers: NDArray[Any], entities: NDArray[np.object_]) -> NumberScale:
    """Learn the scale of [N, F] numbers; a column without a finite value counts as constant 0."""
    values = np.where(np.isfinite(numbers), numbers, np.nan).astype(np.float64)
    named = entities.astype(str)
    owned = rows_by_entity(named)
    names = tuple(str(named[rows[0]]) for rows in owned)
    centre = _mean(values)
    if len(names) < 2:
        return NumberScale(centre, _spread(values - centre, centre), (), np.zeros((0, values.shape[1])))
    shifts = np.empty((len(names), values.shape[1]))
    residual = np.empty_like(values)
    for place, own in enumerate(owned):
        seen = np.isfinite(values[own]).sum(axis=0)
        shifts[place] = (_mean(values[own]) - centre) * (seen / (seen + ENTITY_PRIOR)) * (seen > 0)
        residual[own] = values[own] - centre - shifts[place]
    return NumberScale(centre, _spread(residual, centre), names, shifts)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    present = np.isfinite(values)
    total = np.where(present, values, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(present.sum(axis=0), 1), np.float64)


def _spread(distance: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation [F]; 0 where it is nothing beside the centre, that is for a constant."""
    spread = np.sqrt(_mean(distance**2))
    constant = spread <= 1e-6 * np.maximum(np.abs(centre), 1e-6)
    return np.where(constant, 0.0, spread)
