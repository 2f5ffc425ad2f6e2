"""What lies over the map of states: what its axes are about, where entities are and came from, and states that people chose."""

from collections.abc import Sequence
from typing import Any

from latentwatch.review.entity_trails import EntityTrail
from latentwatch.review.states import DecodedState

Option = dict[str, Any]

_CHART_COLOURS = 4
_AXIS_ROOM = 24
"""Pixels below and beside the map for the names of its axes."""


def with_states(
    option: Option, axes: tuple[str, str], trails: Sequence[EntityTrail], chosen: Sequence[DecodedState]
) -> Option:
    """A map's option with all of it; its series stand behind those that can be selected."""
    for axis, name in zip(("xAxis", "yAxis"), axes, strict=True):
        option[axis] |= _axis(name)
    option["grid"] |= {"bottom": _AXIS_ROOM, "left": _AXIS_ROOM}
    option["series"] += [_trail_series(number, trail) for number, trail in enumerate(trails)]
    option["series"].append(_chosen_series(chosen))
    return option


def _axis(name: str) -> Option:
    return {
        "show": True,
        "name": name,
        "nameLocation": "middle",
        "nameGap": 6,
        "nameTextStyle": {"fontSize": 12, ":color": "latentwatch.colour('muted')"},
        "axisLabel": {"show": False},
        "axisTick": {"show": False},
        "axisLine": {"show": False},
        "splitLine": {"show": False},
    }


def _trail_series(number: int, trail: EntityTrail) -> Option:
    colour = f"latentwatch.colour('{'high' if trail.flagged else f'chart-{1 + number % _CHART_COLOURS}'}')"
    places = [[round(x, 4), round(y, 4)] for x, y in trail.places]
    return {
        "type": "line",
        "id": f"trail-{number}",
        "name": trail.entity,
        "silent": True,
        "z": 6,
        "showSymbol": True,
        "symbol": "circle",
        "clip": True,
        "lineStyle": {":color": colour, "width": 1.4, "opacity": 0.55},
        "itemStyle": {":color": colour, ":borderColor": "latentwatch.colour('panel')", "borderWidth": 1.5},
        "data": [
            *({"value": place, "symbolSize": 0} for place in places[:-1]),
            {
                "value": places[-1],
                "symbolSize": 13,
                "label": {
                    "show": True,
                    "formatter": trail.entity[:20].replace("{", "(").replace("}", ")"),
                    "position": "right",
                    "fontSize": 11,
                    ":color": "latentwatch.colour('ink')",
                    ":textBorderColor": "latentwatch.colour('panel')",
                    "textBorderWidth": 2,
                },
            },
        ],
        "tooltip": {"show": False},
    }


def _chosen_series(chosen: Sequence[DecodedState]) -> Option:
    """States that were chosen, in order; hollow where nothing normal lies."""
    return {
        "type": "line",
        "id": "chosen",
        "name": "chosen",
        "silent": True,
        "z": 8,
        "symbol": "pin" if len(chosen) == 1 else "circle",
        "symbolSize": 28 if len(chosen) == 1 else 9,
        "lineStyle": {":color": "latentwatch.colour('ink')", "width": 1, "type": "dashed"},
        "data": [
            {
                "value": [round(state.place[0], 4), round(state.place[1], 4)],
                "itemStyle": {
                    ":color": f"latentwatch.colour('{'accent' if state.normal else 'muted'}')",
                    ":borderColor": "latentwatch.colour('ink')",
                    "borderWidth": 1,
                    "opacity": 1 if state.normal else 0.5,
                },
            }
            for state in chosen
        ],
        "tooltip": {"show": False},
    }
