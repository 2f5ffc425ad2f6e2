"""The view of the map of incidents as it stands in the address: colours, groups left out, time, zoom, and what is drawn around."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from urllib.parse import parse_qsl, urlencode

import numpy as np
from numpy.typing import NDArray

from latentwatch.review.charts.incidents import COLOURED_BY

_MOST_HIDDEN = 20
_MOST_CORNERS = 48
"""Of a shape drawn by hand: an address stays short enough to be sent."""
_LONGEST_NAME = 200
_NEARER = 0.6
"""What a step nearer leaves of the width."""
_NARROWEST = 1.0

Corners = tuple[tuple[float, float], ...]
Zoom = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One view of the map."""

    by: str = COLOURED_BY[0]
    hidden: tuple[str, ...] = ()
    """Groups that are left out."""
    until: datetime | None = None
    """Incidents that began later are left out; None for all."""
    zoom: Zoom | None = None
    """Percent of the map: from, to across; from, to upwards."""
    around: Corners = ()
    """The shape that is drawn around incidents, in parts of the map's width."""

    def query(self, version: int | None = None) -> str:
        """As an address says it; what is usual stays out of it."""
        parts: list[tuple[str, str]] = [("version", str(version))] if version is not None else []
        if self.by != COLOURED_BY[0]:
            parts.append(("by", self.by))
        parts += [("hide", name) for name in self.hidden]
        if self.until is not None:
            parts.append(("until", self.until.isoformat(timespec="seconds").replace("+00:00", "Z")))
        if self.zoom is not None:
            parts.append(("zoom", " ".join(f"{each:.4g}" for each in self.zoom)))
        if self.around:
            parts.append(("around", " ".join(f"{each:.3f}" for corner in self.around for each in corner)))
        return urlencode(parts)

    def nearer(self, step: int) -> Zoom | None:
        """The zoom a step nearer, or with -1 farther, about the same middle; None for the whole map."""
        left, right, low, high = self.zoom or (0.0, 100.0, 0.0, 100.0)
        factor = _NEARER**step
        return _zoom((*_scaled(left, right, factor), *_scaled(low, high, factor)))


def incident_view(query: str) -> IncidentView:
    """The view an address's query asks for; whatever it says wrongly is as if it were not said.

    >>> incident_view("by=entity&zoom=0+50+25+75").zoom
    (0.0, 50.0, 25.0, 75.0)
    """
    pairs = parse_qsl(query[:6_000])
    said = dict(pairs)
    zoom = _numbers(said.get("zoom", ""))
    corners = _numbers(said.get("around", ""))
    return IncidentView(
        by=said["by"] if said.get("by") in COLOURED_BY else COLOURED_BY[0],
        hidden=tuple(dict.fromkeys(value[:_LONGEST_NAME] for name, value in pairs if name == "hide"))[:_MOST_HIDDEN],
        until=_moment(said.get("until", "")),
        zoom=zoom_of(zoom),
        around=corners_of(list(zip(corners[::2], corners[1::2], strict=False))),
    )


def zoom_of(said: object) -> Zoom | None:
    """A zoom that a browser says; None for the whole map, or for what is no zoom."""
    numbers = _finite(said)
    if len(numbers) != 4:
        return None
    return _zoom((numbers[0], numbers[1], numbers[2], numbers[3]))


def corners_of(said: object) -> Corners:
    """A shape that a browser says, of at most 48 corners; empty for what is no shape."""
    if not isinstance(said, list | tuple):
        return ()
    corners = [tuple(found) for each in said if len(found := _finite(each)) == 2]
    if len(corners) < 3 or len(corners) != len(said):
        return ()
    chosen = np.unique(np.linspace(0, len(corners) - 1, _MOST_CORNERS).astype(int))
    return tuple((round(corners[at][0], 3), round(corners[at][1], 3)) for at in chosen)


def inside(places: Sequence[tuple[float, float]], corners: Corners) -> NDArray[np.bool_]:
    """[N] which places lie within a shape: those from which a line to the right crosses its edge an odd number of times.

    >>> inside([(0.5, 0.5), (1.5, 0.5)], ((0, 0), (1, 0), (1, 1), (0, 1))).tolist()
    [True, False]
    """
    at = np.asarray(places, np.float64).reshape(-1, 2)
    within = np.zeros(len(at), bool)
    for (x, y), (next_x, next_y) in zip(corners, (*corners[1:], *corners[:1]), strict=True):
        if y == next_y:
            continue
        crosses = (at[:, 1] < y) != (at[:, 1] < next_y)
        within ^= crosses & (at[:, 0] < x + (at[:, 1] - y) / (next_y - y) * (next_x - x))
    return within


def _scaled(low: float, high: float, factor: float) -> tuple[float, float]:
    middle, half = (low + high) / 2, (high - low) / 2 * factor
    return middle - half, middle + half


def _zoom(asked: Zoom) -> Zoom | None:
    left, right, low, high = (min(100.0, max(0.0, each)) for each in asked)
    if right - left < _NARROWEST or high - low < _NARROWEST or (left, right, low, high) == (0.0, 100.0, 0.0, 100.0):
        return None
    return left, right, low, high


def _finite(said: object) -> list[float]:
    if not isinstance(said, list | tuple) or not all(isinstance(each, int | float) for each in said):
        return []
    return [float(each) for each in said if isfinite(each)]


def _numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split()]
    except ValueError:
        return []


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
