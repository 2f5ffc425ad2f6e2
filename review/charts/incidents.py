"""The map of incidents: one dot each, alike ones together, coloured by what people choose, sized by how long it lasted."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from math import log10
from typing import Any

from latentwatch.review.incident_map import MappedIncident

Option = dict[str, Any]

COLOURED_BY = ("cause", "entity", "severity", "age")
_MOST_NAMED = 7
"""Causes or entities with a colour of their own; the rest are one."""
_SEVERITY_COLOURS = {"low": "chart-1", "medium": "chart-3", "high": "high", "critical": "critical"}
_COLOURS = ("chart-1", "chart-2", "chart-3", "chart-4", "accent", "verdict-true", "verdict-unsure")
_REST = "other"
_DAY = 86_400
_AGES = ((1, "a day"), (7, "a week"), (30, "a month"))
_MARGIN = 0.08
"""Of the map's width, so that no dot stands on its edge."""
_SMALLEST, _LARGEST = 6, 22
"""Pixels: of a minute, and of a day and more."""


def group_of(one: MappedIncident, by: str, now: datetime) -> str:
    """What a dot counts as."""
    if by == "cause":
        return one.dot.cause or (f"{one.dot.verdict.value}, no cause" if one.dot.verdict else "not labelled")
    if by == "entity":
        return one.dot.entity or "whole stream"
    if by == "severity":
        return one.dot.severity.value
    days = (now - one.dot.ended).total_seconds() / _DAY
    return next((f"within {words}" for limit, words in _AGES if days <= limit), "older")


def incidents_option(shown: Sequence[MappedIncident], by: str, now: datetime) -> Option:
    """Of incidents in the order given; each dot carries its incident's number."""
    groups = Counter(group_of(one, by, now) for one in shown)
    named = [name for name, _ in groups.most_common(_MOST_NAMED)]
    series = [_series(name, number, by) for number, name in enumerate(named)]
    if len(groups) > len(named):
        series.append(_series(_REST, len(named), "rest"))
    for one in shown:
        group = group_of(one, by, now)
        at = named.index(group) if group in named else len(named)
        series[at]["data"].append(
            {
                "value": [round(one.place[0], 4), round(one.place[1], 4)],
                "name": one.dot.entity or "whole stream",
                "incident": one.dot.incident,
                "time": one.dot.started.isoformat(),
                "features": ", ".join(one.dot.features[:3]),
                "symbolSize": _size(one.seconds),
                **({"symbol": "emptyCircle"} if one.since_placed else {}),
            }
        )
    hidden = {"type": "value", "show": False, "min": -_MARGIN, "max": 1 + _MARGIN}
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 12, "right": 12, "top": 34, "bottom": 12},
        "xAxis": hidden,
        "yAxis": dict(hidden),
        "dataZoom": [{"type": "inside", "xAxisIndex": 0}, {"type": "inside", "yAxisIndex": 0}],
        "tooltip": {
            "trigger": "item",
            "confine": True,
            ":formatter": "latentwatch.incidentTip",
            ":backgroundColor": "latentwatch.colour('panel')",
            ":borderColor": "latentwatch.colour('line')",
            "textStyle": {"fontSize": 12, ":color": "latentwatch.colour('ink')"},
        },
        "legend": {
            "type": "scroll",
            "left": 0,
            "top": 0,
            "right": 90,
            "textStyle": {":color": "latentwatch.colour('ink')"},
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
            "throttleType": "debounce",
            "throttleDelay": 250,
            "outOfBrush": {"colorAlpha": 0.2},
            "brushStyle": {"borderWidth": 1, "color": "rgba(10,108,134,.12)", "borderColor": "rgba(10,108,134,.8)"},
        },
        "series": series,
    }


def _series(name: str, number: int, by: str) -> Option:
    colour = "muted" if by == "rest" else _COLOURS[number % len(_COLOURS)]
    colour = _SEVERITY_COLOURS.get(name, colour) if by == "severity" else colour
    return {
        "type": "scatter",
        "name": name,
        "itemStyle": {":color": f"latentwatch.colour('{colour}')", "opacity": 0.8},
        "data": [],
    }


def _size(seconds: float) -> float:
    part = log10(max(seconds, 60) / 60) / log10(_DAY / 60)
    return round(_SMALLEST + (_LARGEST - _SMALLEST) * min(1.0, part), 1)
