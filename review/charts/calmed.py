"""An alert's surprise as it was, and as it would have been with other readings."""

from typing import Any

from latentwatch.review.charts.colours import colour, threshold_line
from latentwatch.review.whatif import WhatIf

Option = dict[str, Any]

HEIGHT = 150
"""Pixels."""


def calmed_option(found: WhatIf) -> Option:
    """Two lines over the time of the records that were changed, and the threshold between them."""
    moments = [round(time.timestamp() * 1000) for time in found.times]

    def line(name: str, values: tuple[float, ...], width: float, shade: str, dashes: str) -> Option:
        return {
            "type": "line",
            "name": name,
            "data": [[moment, round(value, 3)] for moment, value in zip(moments, values, strict=True)],
            "showSymbol": len(moments) == 1,
            "lineStyle": {"width": width, "type": dashes, ":color": colour(shade)},
            "itemStyle": {":color": colour(shade)},
        }

    after = line("with these readings", found.surprises_after, 2.0, "chart-3", "solid")
    after["markLine"] = threshold_line(found.threshold)
    label = {"fontSize": 11, ":color": colour("muted")}
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 46, "right": 14, "top": 30, "bottom": 26},
        "legend": {"top": 0, "left": 40, "itemHeight": 8, "textStyle": {"fontSize": 12, ":color": colour("ink")}},
        "tooltip": {"trigger": "axis", "confine": True, "transitionDuration": 0},
        "xAxis": {
            "type": "time",
            "axisLabel": {**label, "hideOverlap": True},
            "axisLine": {"lineStyle": {":color": colour("line")}},
        },
        "yAxis": {"min": 0, "axisLabel": label, "splitLine": {"lineStyle": {":color": colour("line")}}},
        "series": [line("as it was", found.surprises_before, 1.2, "chart-1", "solid"), after],
    }
