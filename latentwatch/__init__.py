"""Latentwatch: learns what normal looks like in a stream, and says when a record is not.

Everything installed is under this name: the rooms (`latentwatch.detector`, `latentwatch.streams`, ...) and, beside them, the
command line, which wires them together. Importing it costs nothing; what it offers arrives when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentwatch.detector.estimator import LatentDetector as LatentDetector
    from latentwatch.versions import add_version as add_version
    from latentwatch.versions import open_version as open_version

__version__ = "0.1.0"
__all__ = ["LatentDetector", "__version__", "add_version", "open_version"]


def __getattr__(name: str) -> Any:
    if name == "LatentDetector":
        from latentwatch.detector.estimator import LatentDetector

        return LatentDetector
    if name in ("add_version", "open_version"):
        from latentwatch import versions

        return getattr(versions, name)
    raise AttributeError(f"module 'latentwatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
