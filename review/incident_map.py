"""The map of incidents: those alike lie together, placed in the nightly run; new ones between those they are most like."""

from dataclasses import dataclass

import numpy as np

from latentwatch.alerts.database import Engine
from latentwatch.alerts.incident_places import IncidentDot, incident_dots
from latentwatch.detector.likeness_map import between
from latentwatch.domain.fingerprint import vectors


@dataclass(frozen=True, slots=True)
class MappedIncident:
    """An incident where it lies."""

    dot: IncidentDot
    place: tuple[float, float]
    """In parts of the map's width."""
    since_placed: bool
    """Whether it began after incidents were placed last, and lies between those most like it."""

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.dot.ended - self.dot.started).total_seconds()


def incident_map(engine: Engine, monitor: str) -> tuple[MappedIncident, ...]:
    """A monitor's latest incidents, oldest first; none where none was placed yet. Raises Unavailable."""
    dots = incident_dots(engine, monitor)
    if not any(dot.place for dot in dots):
        return ()
    former = np.array([dot.place or (np.nan, np.nan) for dot in dots], np.float64)
    places = between(vectors([dot.fingerprint for dot in dots]), former)
    return tuple(
        MappedIncident(dot, (float(x), float(y)), dot.place is None)
        for dot, (x, y) in zip(dots, places.tolist(), strict=True)
    )
