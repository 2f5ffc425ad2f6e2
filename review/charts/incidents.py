"""The map of incidents: one dot each, alike ones together, coloured by what people choose, sized by how long it lasted."""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log10
from typing import Any

import numpy as np

from latentwatch.review.incident_map import MappedIncident

Option = dict[str, Any]

COLOURED_BY = ("cause", "entity", "severity", "age")
_MOST_NAMED = 6
"""Causes or entities with a colour of their own; the rest are one."""
_SEVERITY_COLOURS = {"low": "chart-1", "medium": "chart-3", "high": "high", "critical": "critical"}
_COLOURS = ("chart-1", "chart-2", "chart-3", "chart-4", "verdict-true", "verdict-false")
_UNLABELLED = "not labelled"
_REST = "other"
_DAY = 86_400
_AGES = ((1, "a day"), (7, "a week"), (30, "a month"))
_MARGIN = 0.08
"""Of the map's width, so that no dot stands on its edge."""
_SMALLEST, _LARGEST = 6, 22
"""Pixels: of a minute, and of a day and more."""
MOST_ROUND = 3_000
"""Dots that are drawn each by itself."""
_SQUARE = 3.9
"""Pixels of a side. From 4 on a browser traces an outline of each, which takes twenty times as long."""


def group_of(one: MappedIncident, by: str, now: datetime) -> str:
    """What a dot counts as."""
    if by == "cause":
        return one.dot.cause or (f"{one.dot.verdict.value}, no cause" if one.dot.verdict else _UNLABELLED)
    if by == "entity":
        return one.dot.entity or "whole stream"
    if by == "severity":
        return one.dot.severity.value
    days = (now - one.dot.ended).total_seconds() / _DAY
    return next((f"within {words}" for limit, words in _AGES if days <= limit), "older")


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents of one colour."""

    name: str
    colour: str
    """A name of the style sheet's."""
    members: tuple[MappedIncident, ...]


def groups_of(all_of_them: Sequence[MappedIncident], by: str, now: datetime) -> tuple[Group, ...]:
    """All incidents by what they count as, the most first; of many groups the smaller ones are one."""
    told = [group_of(one, by, now) for one in all_of_them]
    named = [name for name, _ in Counter(told).most_common(_MOST_NAMED)]
    together: dict[str, list[MappedIncident]] = {name: [] for name in named}
    rest: list[MappedIncident] = []
    for one, name in zip(all_of_them, told, strict=True):
        together.get(name, rest).append(one)
    found = [Group(name, _colour(name, at, by), tuple(together[name])) for at, name in enumerate(named)]
    return (*found, Group(_REST, "muted", tuple(rest))) if rest else tuple(found)


def incidents_option(groups: Sequence[Group], zoom: Sequence[float] | None = None) -> Option:
    """One series a group. Of up to 3,000 dots each is drawn by itself, larger the longer it lasted; of more all are small
    squares of one size, which a browser draws at once: 100,000 within a second without a graphics card."""
    many = sum(len(group.members) for group in groups) > MOST_ROUND
    places = np.array([one.place for group in groups for one in group.members]).reshape(-1, 2)
    low, high = (min(0.0, *places.min(axis=0)), max(1.0, *places.max(axis=0))) if len(places) else (0.0, 1.0)
    hidden = {"type": "value", "show": False, "min": low - _MARGIN, "max": high + _MARGIN}
    left, right, lower, upper = zoom or (0, 100, 0, 100)
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 12, "right": 12, "top": 34, "bottom": 12},
        "xAxis": hidden,
        "yAxis": dict(hidden),
        "dataZoom": [
            {"type": "inside", "xAxisIndex": 0, "start": left, "end": right},
            {"type": "inside", "yAxisIndex": 0, "start": lower, "end": upper},
        ],
        "tooltip": {
            "trigger": "item",
            "confine": True,
            ":formatter": "latentwatch.incidentTip",
            ":backgroundColor": "latentwatch.colour('panel')",
            ":borderColor": "latentwatch.colour('line')",
            "textStyle": {"fontSize": 12, ":color": "latentwatch.colour('ink')"},
        },
        "toolbox": {
            "right": 4,
            "top": 0,
            "feature": {"brush": {"title": {"rect": "select a box", "polygon": "select by hand", "clear": "clear"}}},
            "iconStyle": {":borderColor": "latentwatch.colour('muted')"},
            "emphasis": {"iconStyle": {":borderColor": "latentwatch.colour('accent')"}},
        },
        "brush": {
            "toolbox": ["rect", "polygon", "clear"],
            "xAxisIndex": 0,
            "seriesIndex": [] if many else "all",
            "throttleType": "debounce",
            "throttleDelay": 250,
            "outOfBrush": {"colorAlpha": 0.2},
            "brushStyle": {"borderWidth": 1, "color": "rgba(10,108,134,.12)", "borderColor": "rgba(10,108,134,.8)"},
        },
        "series": [_squares(group) if many else _dots(group) for group in groups],
    }


def _dots(group: Group) -> Option:
    return {
        "type": "scatter",
        "name": group.name,
        "itemStyle": {":color": f"latentwatch.colour('{group.colour}')", "opacity": 0.8},
        "data": [
            {
                "value": [round(one.place[0], 4), round(one.place[1], 4)],
                "name": one.dot.entity or "whole stream",
                "incident": one.dot.incident,
                "time": one.dot.started.isoformat(),
                "features": ", ".join(one.dot.features[:3]),
                "symbolSize": _size(one.seconds),
                **({"symbol": "emptyCircle"} if one.since_placed else {}),
            }
            for one in group.members
        ],
    }


def _squares(group: Group) -> Option:
    places = np.array([one.place for one in group.members], "<f4").tobytes()
    return {
        "type": "scatter",
        "name": group.name,
        "large": True,
        "largeThreshold": 0,
        "progressive": 0,
        "symbol": "rect",
        "symbolSize": _SQUARE,
        "itemStyle": {":color": f"latentwatch.colour('{group.colour}')", "opacity": 0.7},
        ":data": f"latentwatch.places('{b64encode(places).decode()}')",
    }


def _colour(name: str, number: int, by: str) -> str:
    colour = "muted" if name == _UNLABELLED else _COLOURS[number % len(_COLOURS)]
    return _SEVERITY_COLOURS.get(name, colour) if by == "severity" else colour


def _size(seconds: float) -> float:
    part = log10(max(seconds, 60) / 60) / log10(_DAY / 60)
    return round(_SMALLEST + (_LARGEST - _SMALLEST) * min(1.0, part), 1)
