"""Whether a monitor, as its file is now, still has the fields that a model was trained on."""

from collections.abc import Callable

from latentwatch.detector.interface import Detector
from latentwatch.domain.errors import BundleRefused, InvalidMonitor
from latentwatch.domain.model import ModelVersion
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.ports import Registry

_MOST_OPENED = 20
"""Earlier versions that are opened to find since when a field is needed."""


def require_fields(
    monitor: Monitor,
    champion: ModelVersion,
    trained: RecordSchema,
    registry: Registry,
    load: Callable[[str], Detector],
) -> None:
    """Raises InvalidMonitor where the monitor lacks or changed a field that the model was `trained` on, naming it and
    since which version it is needed. A field that was only added is none of the model's business.
    """
    differences = trained.compared_with(monitor.record)
    if not differences.prevent_scoring:
        return
    clauses = [
        f"{name!r} is missing, which models read since version {_since(name, champion, registry, load)}"
        for name in differences.lost
    ]
    raise InvalidMonitor(
        f"monitor {monitor.name!r} does not have the fields that model version {champion.version} reads:"
        f" {'; '.join((*clauses, *differences.changed))}. Restore them in the monitor file, or train a model on the fields"
        " as they are with 'latentwatch train'"
    )


def _since(name: str, champion: ModelVersion, registry: Registry, load: Callable[[str], Detector]) -> int:
    """The earliest version from which on every one reads a field, as far back as bundles can be opened."""
    since = champion.version
    earlier = [version for version in registry.versions(champion.monitor) if version.version < champion.version]
    for version in sorted(earlier, key=lambda each: each.version, reverse=True)[:_MOST_OPENED]:
        try:
            if name not in load(version.bundle).schema.names:
                break
        except BundleRefused:
            break
        since = version.version
    return since
