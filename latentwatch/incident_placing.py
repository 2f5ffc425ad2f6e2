"""Placing incidents on their monitors' maps, as the nightly run does."""

import numpy as np

from latentwatch.alerts.database import Engine
from latentwatch.alerts.incident_places import MOST_PLACED, incident_dots, keep_places
from latentwatch.alerts.monitors import monitors, registered_monitor
from latentwatch.detector.likeness_map import between, placed
from latentwatch.domain.fingerprint import vectors
from latentwatch.settings import load_settings
from latentwatch.wiring import ready_database


def place_incidents(monitor: str | None = None) -> dict[str, int]:
    """Place the latest incidents of one monitor or of all anew; how many of each. Raises NotFound, Unavailable."""
    engine = ready_database(load_settings())
    names = [one.name for one in monitors(engine)] if monitor is None else [monitor]
    if monitor is not None:
        registered_monitor(engine, monitor)
    return {name: place_incidents_of(engine, name) for name in names}


def place_incidents_of(engine: Engine, monitor: str) -> int:
    """How many of a monitor's incidents are on its map now."""
    dots = incident_dots(engine, monitor)
    if not dots:
        return 0
    places = np.array([dot.place or (np.nan, np.nan) for dot in dots], np.float64)
    directions = vectors([dot.fingerprint for dot in dots])
    places[-MOST_PLACED:] = placed(directions[-MOST_PLACED:], places[-MOST_PLACED:])
    places = between(directions, places)
    keep_places(engine, monitor, {dot.incident: (float(x), float(y)) for dot, (x, y) in zip(dots, places, strict=True)})
    return len(dots)
