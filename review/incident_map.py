"""The map of incidents: those alike lie together, placed in the nightly run; new ones between those they are most like."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentwatch.alerts.database import Engine
from latentwatch.alerts.incident_places import MOST_MAPPED, IncidentDot, incident_dots
from latentwatch.detector.likeness_map import between
from latentwatch.domain.fingerprint import vectors

_NAMED = 3
_FEWEST_SHARE = 0.5


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


def incident_map(engine: Engine, monitor: str, most: int = MOST_MAPPED) -> tuple[MappedIncident, ...]:
    """A monitor's latest incidents, oldest first; none where none was placed yet. Raises Unavailable."""
    dots = incident_dots(engine, monitor, most)
    if not any(dot.place for dot in dots):
        return ()
    former = np.array([dot.place or (np.nan, np.nan) for dot in dots], np.float64)
    places = between(vectors([dot.fingerprint for dot in dots]), former)
    return tuple(
        MappedIncident(dot, (float(x), float(y)), dot.place is None)
        for dot, (x, y) in zip(dots, places.tolist(), strict=True)
    )


def in_common(chosen: Sequence[MappedIncident], rest: Sequence[MappedIncident]) -> list[str]:
    """What at least half of the chosen incidents share and the rest less so, in words; what sets them apart most first."""
    if not chosen:
        return []
    found: list[tuple[float, str]] = []
    for kind in ("feature", "entity", "cause", "severity"):
        ours, theirs = _shares(chosen, kind), _shares(rest, kind)
        for value, share in ours.items():
            apart = share - theirs.get(value, 0.0)
            if share >= _FEWEST_SHARE and (apart > 0 or not rest):
                against = f", of the rest {_percent(theirs.get(value, 0.0))}" if rest else ""
                found.append((apart, f"{kind} {value}: {_percent(share)}{against}"))
    return [words for _, words in sorted(found, key=lambda one: (-one[0], one[1]))[:_NAMED]]


def _percent(share: float) -> str:
    return f"{round(100 * share)} %"


def _shares(incidents: Sequence[MappedIncident], kind: str) -> dict[str, float]:
    values: Counter[str] = Counter()
    for one in incidents:
        dot = one.dot
        told = {
            "feature": set(dot.features),
            "entity": {dot.entity} - {""},
            "cause": {dot.cause} - {""},
            "severity": {dot.severity.value},
        }[kind]
        values.update(told)
    return {value: times / len(incidents) for value, times in values.items()}
