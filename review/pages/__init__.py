"""The pages; importing this registers them with NiceGUI."""

from latentwatch.review.pages import (
    alert,
    comparing,
    comparing_monitor,
    dead,
    exceptions,
    inbox,
    incident,
    labels,
    latent,
    live,
    models,
    overview,
    segments,
    silences,
)

__all__ = [
    "alert",
    "comparing",
    "comparing_monitor",
    "dead",
    "exceptions",
    "inbox",
    "incident",
    "labels",
    "latent",
    "live",
    "models",
    "overview",
    "segments",
    "silences",
]
