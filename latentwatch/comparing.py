"""What the terminal can put side by side within one monitor: two entities' normal, and two model versions."""

from functools import lru_cache, partial

from latentwatch.detector.bundle import load_bundle
from latentwatch.excepting import name_of_monitor
from latentwatch.inbox import asked_database
from latentwatch.review.normals import NormalsCompared, compare_normals
from latentwatch.review.versions_compared import VersionsCompared, compare_versions
from latentwatch.settings import load_settings


def normals_of(monitor: str, first: str, second: str) -> NormalsCompared:
    """Two entities of a monitor that is named or whose file is. Raises as `compare_normals`."""
    return compare_normals(asked_database(), name_of_monitor(monitor), first, second)


def versions_on(monitor: str, versions: tuple[int, int], alert: int | None, entity: str | None) -> VersionsCompared:
    """Two versions on one stretch. Raises as `compare_versions`."""
    load = lru_cache(partial(load_bundle, load_settings().bundles))
    return compare_versions(asked_database(), load, name_of_monitor(monitor), versions, alert=alert, entity=entity)
