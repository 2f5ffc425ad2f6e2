"""The pages; importing this registers them with NiceGUI."""

from latentwatch.review.pages import (
    alert,
    comparing,
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
