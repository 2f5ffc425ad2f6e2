"""Numeric columns on one scale: z-scores, drawn in beyond eight, centred per entity where there are several.

[N, F] numbers with NaN -> [N, F] of order 1, NaN where missing
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]
LINEAR_UNTIL = 8.0
"""Spreads from the centre up to which a value counts in full; beyond, only its logarithm does."""
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
        places = {name: place for place, name in enumerate(self.entities)}
        return np.fromiter((places.get(name, -1) for name in entities.tolist()), np.intp, len(entities))

    def transform(self, numbers: NDArray[Any], entities: NDArray[np.object_]) -> NDArray[np.float64]:
        """[N, F] drawn-in z-scores; NaN stays NaN, an infinity becomes a very large value."""
        distance = np.nan_to_num(numbers, nan=np.nan, posinf=3e38, neginf=-3e38) - self.centres(entities)
        return self.draw_in(distance / self.stretch(entities))

    def draw_in(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distances from the centre in spreads, linear until eight and logarithmic beyond."""
        constant = self.spread == 0
        score = distance / np.where(constant, 1.0, self.spread)
        if constant.any():
            tolerance = 1e-6 * np.maximum(np.abs(self.centre), 1e-6)
            moved = np.where(np.abs(distance) > tolerance, np.sign(distance) * MOVED, 0.0)
            score = np.where(constant & ~np.isnan(distance), moved, score)
        far = np.abs(score) > LINEAR_UNTIL
        if far.any():
            beyond = score[far]
            score[far] = np.sign(beyond) * LINEAR_UNTIL * (1.0 + np.log(np.abs(beyond) / LINEAR_UNTIL))
        return score

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


def fit_numbers(numbers: NDArray[Any], entities: NDArray[np.object_]) -> NumberScale:
    """Learn the scale of [N, F] numbers; a column without a finite value counts as constant 0."""
    values = np.where(np.isfinite(numbers), numbers, np.nan).astype(np.float64)
    names = sorted(set(entities.tolist()))
    centre = _mean(values)
    if len(names) < 2:
        return NumberScale(centre, _spread(values - centre, centre), (), np.zeros((0, values.shape[1])))
    shifts = np.empty((len(names), values.shape[1]))
    residual = np.empty_like(values)
    for place, name in enumerate(names):
        own = entities == name
        seen = np.isfinite(values[own]).sum(axis=0)
        shifts[place] = (_mean(values[own]) - centre) * (seen / (seen + ENTITY_PRIOR)) * (seen > 0)
        residual[own] = values[own] - centre - shifts[place]
    return NumberScale(centre, _spread(residual, centre), tuple(names), shifts)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    present = np.isfinite(values)
    total = np.where(present, values, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(present.sum(axis=0), 1), np.float64)


def _spread(distance: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation [F]; 0 where it is nothing beside the centre, that is for a constant."""
    spread = np.sqrt(_mean(distance**2))
    constant = spread <= 1e-6 * np.maximum(np.abs(centre), 1e-6)
    return np.where(constant, 0.0, spread)
