"""Where records that stand alone lie on their map: places that the next version keeps.

rows [N, P] -> codes [N, K] -> places [N, 2]

Landmarks are kept as the records that they were. The next version encodes them on its own scales, and is held to the codes
that they had: a record like one of before lies where that lay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.component import Floats
from latentwatch.detector.interface import MapGround
from latentwatch.detector.latent.basis import Basis, begin_basis, first_landmarks, renewed_landmarks
from latentwatch.detector.latent.examples import Landmarks
from latentwatch.detector.latent.ground import ground_of
from latentwatch.detector.rows.features import Features, Rows
from latentwatch.detector.rows.normal_records import Normal, keep_normal
from latentwatch.detector.spread import spread_over
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.record import Batch, concatenate
from latentwatch.domain.schema import RecordSchema

_PLACED = 4_000
"""Rows whose places make the ground, spread over all of them."""
_SAMPLE = 1_000
"""Places that are shown."""
_BLOCKS = 96
"""Blocks of rows in order of time, which take turns in being judged by the density of the others, a third of them at once."""
_GROUND = ("x", "y", "density", "sample", "contours")


@dataclass(frozen=True, slots=True)
class HeldPlaces:
    """What a next version is held to: landmark records in its features, and their codes [L, K]."""

    rows: Rows
    codes: Floats


@dataclass(frozen=True, slots=True)
class RowMap:
    """The basis of a version's latent space, its landmarks as they were, and the ground under normal records."""

    basis: Basis
    records: Normal
    """The landmarks [L]."""
    entities: tuple[str, ...]
    """[L] whose they are."""
    ground: MapGround

    def held(self, before: RecordSchema, features: Features) -> HeldPlaces | None:
        """What the next version, of those features, is held to; None where its records have others than `before`."""
        if features.schema.fingerprint() != before.fingerprint():
            return None
        batch = self.records.batch(features.schema, self.entities)
        return HeldPlaces(features.transform(batch), self.basis.codes)

    def shown(self) -> MapGround:
        """The ground, under the name of its basis."""
        return replace(self.ground, basis=self.basis.id)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {
            **prefixed("basis.", self.basis.arrays()),
            **prefixed("records.", self.records.arrays()),
            **prefixed("ground.", {name: getattr(self.ground, name) for name in _GROUND}),
        }

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"records": self.records.meta(), "entities": list(self.entities)}

    @classmethod
    def from_bundle(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], schema: RecordSchema, shape: tuple[int, int]
    ) -> Self:
        """The inverse of `arrays` and `meta`, for rows and codes of so many columns."""
        basis = Basis.from_bundle(below(arrays, "basis."), *shape)
        records = Normal.from_bundle(below(arrays, "records."), meta["records"], schema)
        x, y, density, sample, contours = (arrays[f"ground.{name}"] for name in _GROUND)
        ground = MapGround(x, y, density, sample, contours)
        entities = tuple(str(name) for name in meta["entities"])
        if ground.density.shape != (len(ground.y), len(ground.x)) or not (
            len(records) == len(entities) == len(basis.rows)
        ):
            raise BundleRefused("the latent map does not fit its landmarks; the bundle is damaged: train again")
        return cls(basis, records, entities, ground)


def map_rows(batch: Batch, values: Floats, codes: Floats, before: RowMap | None, held: Landmarks | None) -> RowMap:
    """The map of a version that has learned from records [N] as prepared rows [N, P] with codes [N, K], in order of time.

    `held` are the landmarks of the version before in this one's rows, if it was held to them.
    """
    if before is None or held is None:
        basis, landmarks = begin_basis(values, codes), batch.take(first_landmarks(len(batch)))
    else:
        basis = replace(before.basis, rows=held.rows).renewed(values, codes)
        kept = len(basis.rows) - len(basis.rows) // 2
        old = before.records.batch(batch.schema, before.entities)
        fresh = batch.take(renewed_landmarks(len(batch), len(basis.rows) - kept))
        landmarks = concatenate([old.take(slice(kept)), fresh])
    some = spread_over(len(codes), _PLACED)
    places = basis.places(codes[some])
    blocks = np.arange(len(some)) * _BLOCKS // len(some) % 3
    ground = ground_of(places, blocks, places[spread_over(len(places), _SAMPLE)])
    entities = tuple(str(name) for name in landmarks.entities)
    return RowMap(basis, keep_normal(landmarks), entities, ground)
