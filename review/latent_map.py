"""The latent map of a model version: how densely normal records lie, and the records flagged on it."""

from dataclasses import dataclass, field

from latentwatch.alerts.reading import MapPoint, flagged_places, flagged_versions
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.interface import MapGround
from latentwatch.domain.errors import BundleRefused, NotFound
from latentwatch.domain.model import ModelVersion
from latentwatch.review.room import Room


@dataclass(frozen=True, slots=True)
class VersionMap:
    """A model version's latent map with its flagged records. Without a ground, `problem` says why."""

    version: ModelVersion | None
    ground: MapGround | None
    problem: str
    points: tuple[MapPoint, ...]
    others: dict[int, int] = field(default_factory=dict)
    """Versions that have maps with flagged records of their own, and how many of the latest each holds."""
    shared: tuple[int, ...] = ()
    """Former versions whose flagged records are drawn too, since their places are the same."""


def latent_map(room: Room, name: str, number: int | None = None) -> VersionMap:
    """A version's map with its latest flagged records; the champion's where no number is given or none has it."""
    registry = ModelRegistry(room.engine)
    champion = registry.champion(name)
    version = champion if number is None else _version(registry, name, number) or champion
    if version is None:
        return VersionMap(None, None, "", ())
    others = flagged_versions(room.engine, name)
    if champion is not None:
        others = {champion.version: 0} | others
    others.pop(version.version, None)
    try:
        ground = room.bundle_cache.detector(version.bundle).map_ground()
    except BundleRefused as error:
        return VersionMap(version, None, str(error), flagged_places(room.engine, name, [version.version]), others)
    shared = tuple(other for other in others if _share_places(room, registry, name, other, ground))
    others = {other: count for other, count in others.items() if other not in shared}
    points = flagged_places(room.engine, name, [version.version, *shared])
    return VersionMap(version, ground, "", points, others, shared)


def _share_places(room: Room, registry: ModelRegistry, name: str, other: int, ground: MapGround) -> bool:
    if not ground.basis:
        return False
    try:
        return room.bundle_cache.basis(registry.version(name, other).bundle) == ground.basis
    except (BundleRefused, NotFound):
        return False


def _version(registry: ModelRegistry, name: str, number: int) -> ModelVersion | None:
    try:
        return registry.version(name, number)
    except (NotFound, OverflowError):  # no version has this number, or no database could hold it
        return None
