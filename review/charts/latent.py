"""The latent map: how densely normal records lie, where flagged ones fell, and how far each lies off the surface of normal
ones. A place says which state a record is like; the ring around it, how badly it fits that state."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from latentwatch.alerts.reading import MapPoint
from latentwatch.detector.interface import MapGround
from latentwatch.review.charts.colours import colour

Option = dict[str, Any]

VERDICT_LOOKS = {
    "none": ("not labelled", "rect", "ink"),
    "true": ("true", "diamond", "verdict-true"),
    "false": ("false alarm", "circle", "verdict-false"),
    "unsure": ("unsure", "triangle", "verdict-unsure"),
}
"""Name, shape and colour by verdict."""
_MANY = 300
"""Flagged records beyond which marks are drawn smaller, so that the ground stays to be seen."""
_CELLS = 72
_LEAST_DENSITY = 0.02
_BANDS = (1.0, 0.55)
"""How strongly cells inside the contours are drawn: of 80 %, and from there to 95 % of normal records."""
_BEYOND = 0.15
"""And at most beyond them."""
_WIDEST_RING = 26
"""Pixels of the ring of a record that is as far off the surface as three thresholds, or further."""


def map_option(
    ground: MapGround | None,
    points: Sequence[MapPoint],
    brush: bool,
    here: int | None = None,
    zoom: Sequence[float] | None = None,
) -> Option:
    """The map. With `brush`, stretches of it can be selected, and it can be zoomed: `zoom` is what is seen, in percent from left to
    right and from below to above. `here` is the alert drawn large."""
    reach_x, reach_y = _reach(ground, points)
    option: Option = {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 6, "right": 6, "top": 34 if brush else 6, "bottom": 6},
        "xAxis": {"type": "value", "show": False, "min": reach_x[0], "max": reach_x[1]},
        "yAxis": {"type": "value", "show": False, "min": reach_y[0], "max": reach_y[1]},
        "tooltip": {
            "trigger": "item",
            "confine": True,
            ":formatter": "latentwatch.placeTip",
            ":backgroundColor": colour("panel"),
            ":borderColor": colour("line"),
            "textStyle": {"fontSize": 12, ":color": colour("ink")},
        },
        "series": [],
    }
    if ground is not None:
        option["series"].append(_ground_series(ground))
    option["series"].append(_ring_series(points))
    option["series"] += [_verdict_series(verdict, ground, points, here) for verdict in VERDICT_LOOKS]
    if brush:
        option["dataZoom"] = zoomed_by_hand(zoom)
        option["toolbox"] = {
            "right": 4,
            "top": 0,
            "itemSize": 17,
            "feature": {"brush": {"title": {"rect": "select a box", "polygon": "select by hand", "clear": "clear"}}},
            "iconStyle": {":borderColor": colour("muted")},
            "emphasis": {"iconStyle": {":borderColor": colour("accent")}},  # the tool in use
        }
        option["brush"] = {
            "toolbox": ["rect", "polygon", "clear"],
            "xAxisIndex": 0,
            "seriesIndex": [
                number for number, series in enumerate(option["series"]) if series["id"] not in ("ground", "rings")
            ],
            "throttleType": "debounce",
            "throttleDelay": 250,
            "outOfBrush": {"colorAlpha": 0.25},
            "brushStyle": {"borderWidth": 1, "color": "rgba(10,108,134,.12)", "borderColor": "rgba(10,108,134,.8)"},
        }
    return option


def zoomed_by_hand(zoom: Sequence[float] | None) -> list[Option]:
    """Both axes zoomed by two fingers, or by the wheel with Ctrl held; wheel and finger alone go on scrolling the page."""
    left, right, lower, upper = zoom or (0, 100, 0, 100)
    still = {"type": "inside", "zoomOnMouseWheel": "ctrl", "moveOnMouseMove": False, "moveOnMouseWheel": False}
    still |= {"preventDefaultMouseMove": False, "filterMode": "none"}
    return [
        {**still, "xAxisIndex": 0, "start": left, "end": right},
        {**still, "yAxisIndex": 0, "start": lower, "end": upper},
    ]


def state_of(ground: MapGround | None, point: MapPoint) -> str:
    """What the place of a record and its distance off the surface say together, in words; empty where neither is known."""
    if ground is None or not len(ground.contours):
        return ""
    usual = bool(ground.density_at(np.array([point.place], np.float32))[0] >= ground.contours[-1])
    off = point.reconstruction >= point.threshold
    return {
        (True, True): "a usual state, but these readings do not fit each other",
        (True, False): "a usual state",
        (False, True): "an unusual state, and these readings do not fit each other",
        (False, False): "an unusual state",
    }[usual, off]


def _ring_series(points: Sequence[MapPoint]) -> Option:
    """A ring around each record, the wider the further off the surface it lies: by its reconstruction surprise."""
    return {
        "type": "scatter",
        "id": "rings",
        "name": "off the surface",
        "silent": True,
        "symbol": "circle",
        "z": 4,
        "itemStyle": {
            "color": "transparent",
            ":borderColor": colour("accent"),
            "borderWidth": 1,
            "opacity": 0.6,
        },
        "tooltip": {"show": False},
        "data": [
            {
                "value": [round(point.place[0], 4), round(point.place[1], 4)],
                "symbolSize": round(_WIDEST_RING * min(1.0, point.reconstruction / (3 * point.threshold)) ** 0.5, 1),
            }
            for point in points
            if point.reconstruction >= point.threshold > 0
        ],
    }


def _verdict_series(verdict: str, ground: MapGround | None, points: Sequence[MapPoint], here: int | None) -> Option:
    name, shape, shade = VERDICT_LOOKS[verdict]
    mine = [point for point in points if (point.verdict.value if point.verdict else "none") == verdict]
    return {
        "type": "scatter",
        "name": name,
        "id": verdict,
        "symbol": shape,
        "symbolSize": 9 if len(points) <= _MANY else 6,
        "z": 5,
        "itemStyle": {
            ":color": colour(shade),
            "opacity": 0.85 if len(points) <= _MANY or verdict != "none" else 0.6,
            "borderWidth": 1 if len(points) <= _MANY else 0.5,
            ":borderColor": colour("panel"),
        },
        "data": [
            {
                "value": [round(point.place[0], 4), round(point.place[1], 4)],
                "name": point.entity,
                "alert": point.alert,
                "time": point.time.isoformat(),
                "surprise": round(point.surprise, 2),
                "state": state_of(ground, point),
                **({"symbolSize": 16} if point.alert == here else {}),
            }
            for point in mine
        ],
    }


def _ground_series(ground: MapGround) -> Option:
    """Cells shaded in bands by the contours, or by density where there are none: one hue whose strength follows it, so that it
    reads on a light and on a dark page."""
    rows = np.linspace(0, len(ground.y) - 1, min(_CELLS, len(ground.y))).astype(int)
    columns = np.linspace(0, len(ground.x) - 1, min(_CELLS, len(ground.x))).astype(int)
    cells = [
        [
            round(float(ground.x[column]), 7),
            round(float(ground.y[row]), 7),
            round(_strength(ground, float(ground.density[row, column])), 3),
        ]
        for row in rows
        for column in columns
        if ground.density[row, column] >= min([_LEAST_DENSITY, *ground.contours])
    ]
    step_x = float(np.diff(ground.x[columns]).mean()) if len(columns) > 1 else 1.0
    step_y = float(np.diff(ground.y[rows]).mean()) if len(rows) > 1 else 1.0
    return {
        "type": "custom",
        "id": "ground",
        "name": "normal records",
        "silent": True,
        "z": 1,
        "dimensions": ["x", "y", "density"],
        ":renderItem": f"latentwatch.cell({step_x:.9g}, {step_y:.9g})",
        "data": cells,
        "tooltip": {"show": False},
    }


def _strength(ground: MapGround, density: float) -> float:
    if not len(ground.contours):
        return density
    for contour, strength in zip(ground.contours, _BANDS, strict=True):
        if density >= contour:
            return strength
    return _BEYOND * density / max(float(ground.contours[-1]), 1e-9)


def _reach(ground: MapGround | None, points: Sequence[MapPoint]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of both axes, with a margin. Far flagged records widen it, but never so far that the ground vanishes."""
    ends = []
    for axis in (0, 1):
        places = np.array([point.place[axis] for point in points], float)
        if ground is not None:
            line = ground.x if axis == 0 else ground.y
            low, high = float(line.min()), float(line.max())
            room = (high - low) * 1.5
            places = np.clip(places, low - room, high + room)
            low, high = min([low, *places]), max([high, *places])
        elif len(places):
            low, high = float(places.min()), float(places.max())
        else:
            low, high = -1.0, 1.0
        margin = (high - low) * 0.04 or 1.0
        ends.append((round(low - margin, 4), round(high + margin, 4)))
    return ends[0], ends[1]
