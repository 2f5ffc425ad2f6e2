"""What components add to the surprise of flagged records, as areas stacked below its line: their sum is the surprise."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from latentwatch.review.charts.colours import colour

Option = dict[str, Any]

_NAMED = 2
"""Parts with an area of their own; what the others add is one more."""
_OTHERS = "others"
_COLOURS = ("chart-3", "chart-2", "muted")


def part_areas(
    parts: Mapping[datetime, Mapping[str, float]], times: Sequence[datetime], moments: Sequence[int]
) -> tuple[list[Option], list[tuple[str, str]]]:
    """One area a part, those that add most first, and each area's name and colour for the legend.

    `parts` are those of flagged records, by name and by the records' times; `times` and `moments`, milliseconds, are the
    trace's points. There is no area where a record was not flagged: what its parts were is not kept.
    """
    total: Counter[str] = Counter()
    for added in parts.values():
        total.update(added)
    named = [name for name, value in total.most_common(_NAMED) if value > 0]
    names = [*named, _OTHERS] if sum(value > 0 for value in total.values()) > len(named) else named
    legend = list(zip(names, _COLOURS, strict=False))
    return [
        _area(
            name,
            shade,
            [[moment, _height(parts.get(time), name, named)] for moment, time in zip(moments, times, strict=True)],
        )
        for name, shade in legend
    ], legend


def _height(added: Mapping[str, float] | None, name: str, named: Sequence[str]) -> float | None:
    if added is None:
        return None
    if name != _OTHERS:
        return round(added.get(name, 0.0), 3)
    return round(sum(value for other, value in added.items() if other not in named), 3)


def _area(name: str, named_colour: str, data: list[list[Any]]) -> Option:
    shade = colour(named_colour)
    return {
        "type": "line",
        "name": name,
        "stack": "parts",
        "data": data,
        "z": 1,
        "lineStyle": {"width": 0.6, ":color": shade},
        "itemStyle": {":color": shade},
        "areaStyle": {":color": shade, "opacity": 0.35},
    }
