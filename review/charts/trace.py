"""Sensor traces and the score above each other on one shared time axis."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from math import ceil, floor, log10
from typing import Any

from latentwatch.domain.counters import in_rates
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.record import Value
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.review.charts.part_areas import part_areas
from latentwatch.review.charts.thinning import milliseconds, slow_step, stretches, thin

MOST_POINTS = 300
MOST_BANDS = 14
_SCORE_HEIGHT, _BAND_HEIGHT, _TITLE, _BOTTOM = 120, 42, 24, 26
_LEFT, _RIGHT = 46, 14

Option = dict[str, Any]


def trace_height(bands: int) -> int:
    """Pixels that a chart with so many sensors needs."""
    return _TITLE + _SCORE_HEIGHT + bands * (_BAND_HEIGHT + _TITLE) + _BOTTOM


def has_course(points: Sequence[TracePoint]) -> bool:
    """Whether there are two moments to draw a line between; a record alone has values, but no course."""
    return len(points) > 1 and points[0].time < points[-1].time


def chosen_features(schema: RecordSchema, first: Sequence[str] = ()) -> list[str]:
    """Which features get a band: those named first, then the schema's order; text has no trace."""
    drawable = [feature.name for feature in schema.features if feature.type is not FeatureType.TEXT]
    leading = [name for name in first if name in drawable]
    return [*leading, *(name for name in drawable if name not in leading)][:MOST_BANDS]


def trace_option(
    schema: RecordSchema,
    features: Sequence[str],
    points: Sequence[TracePoint],
    threshold: float | None,
    parts: Mapping[datetime, Mapping[str, float]] | None = None,
) -> Option:
    """The whole chart: the score with its threshold on top, one band a feature below, flagged stretches shaded.

    `parts` are what components add to the surprise of flagged records, by the records' times; they are stacked below it.
    """
    kept = thin(points, MOST_POINTS)
    moments = [milliseconds(point) for point in kept]
    shaded = _shading(stretches(points), moments)
    bands = [_Band(in_rates(schema).feature(name), kept, moments) for name in features]
    option = _frame(len(bands), moments)
    areas, legend = part_areas(parts or {}, [point.time for point in kept], moments)
    areas = [area | _drawn(_with_gaps(area["data"])) for area in areas]
    option["title"].append(_score_title(legend))
    option["yAxis"].append(_score_axis(kept, threshold))
    option["series"] += [_score_line(kept, moments, threshold, shaded), *areas]
    for number, band in enumerate(bands, start=1):
        option["title"].append(_title(band.title, number))
        option["yAxis"].append(band.axis(number))
        option["series"].append(band.series(number, shaded))
    return option


class _Band:
    """One feature's trace."""

    def __init__(self, feature: Feature, points: Sequence[TracePoint], moments: Sequence[int]) -> None:
        self.feature = feature
        values = [point.values.get(feature.name) for point in points]
        self.words = sorted({str(value) for value in values if value is not None})[:12]
        self.stepped = not feature.is_number or feature.type is FeatureType.BOOLEAN
        self.data = _with_gaps([[moment, self._plot(value)] for moment, value in zip(moments, values, strict=True)])

    @property
    def title(self) -> str:
        unit = f"  {self.feature.unit}" if self.feature.unit else ""
        return f"{self.feature.name}{unit}"

    def _plot(self, value: Value) -> Value:
        if value is None:
            return None
        if self.feature.type is FeatureType.CATEGORY:
            return str(value)
        return int(value) if isinstance(value, bool) else _short(float(value))

    def axis(self, grid: int) -> Option:
        axis = _axis(grid)
        if self.feature.type is FeatureType.CATEGORY:
            return axis | {"type": "category", "data": self.words, "splitLine": {"show": False}}
        if self.feature.type is FeatureType.BOOLEAN:
            return axis | {"min": 0, "max": 1, "interval": 1}
        low, high = self._reach()
        return axis | {"min": low, "max": high, "interval": high - low}

    def _reach(self) -> tuple[float, float]:
        """Round ends of the axis, so that it stays put while values only wobble."""
        values = [value for _, value in self.data if isinstance(value, float | int)]
        if not values:
            return 0.0, 1.0
        low, high = min(values), max(values)
        step = _round_step(max(high - low, abs(high) * 1e-3, 1e-9))
        bottom = floor(low / step) * step
        top = max(ceil(high / step) * step, bottom + step)
        return float(f"{bottom:.6g}"), float(f"{top:.6g}")

    def series(self, grid: int, shaded: Option) -> Option:
        return {
            "type": "line",
            "name": self.feature.name,
            "xAxisIndex": grid,
            "yAxisIndex": grid,
            **_drawn(self.data),
            "step": "end" if self.stepped else False,
            "lineStyle": {"width": 1.2, ":color": _colour("ink")},
            "itemStyle": {":color": _colour("ink")},
            "markArea": shaded,
        }


def _frame(bands: int, moments: Sequence[int]) -> Option:
    reach = {"min": moments[0], "max": moments[-1]} if moments else {}
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "title": [],
        "grid": [
            {"left": _LEFT, "right": _RIGHT, "top": _top(number), "height": _BAND_HEIGHT if number else _SCORE_HEIGHT}
            for number in range(bands + 1)
        ],
        "xAxis": [
            {
                "type": "time",
                "gridIndex": number,
                "axisLine": {"lineStyle": {":color": _colour("line")}},
                "axisTick": {"show": number == bands},
                "axisLabel": {"show": number == bands, "hideOverlap": True, "fontSize": 11, ":color": _colour("muted")},
                "splitLine": {"show": False},
                "axisPointer": {"label": {"show": False}, "lineStyle": {":color": _colour("muted")}},
                **reach,
            }
            for number in range(bands + 1)
        ],
        "yAxis": [],
        "series": [],
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "transitionDuration": 0,
            ":formatter": "latentwatch.tip",
            ":backgroundColor": _colour("panel"),
            ":borderColor": _colour("line"),
            "textStyle": {"fontSize": 12, ":color": _colour("ink")},
        },
    }


def _score_axis(points: Sequence[TracePoint], threshold: float | None) -> Option:
    """From zero to comfortably above the threshold; it only grows with what is seen, so that the line keeps its place."""
    top = max([5.0, (threshold or 0.0) * 1.25, *(1.05 * point.surprise for point in points)])
    step = _round_step(top)
    return _axis(0) | {"min": 0, "max": step * ceil(top / step), "interval": step}


def _score_line(
    points: Sequence[TracePoint], moments: Sequence[int], threshold: float | None, shaded: Option
) -> Option:
    course = [[moment, round(point.surprise, 3)] for moment, point in zip(moments, points, strict=True)]
    line = {
        "type": "line",
        "name": "surprise",
        **_drawn(_with_gaps(course)),
        "z": 3,
        "lineStyle": {"width": 1.8, ":color": _colour("chart-1")},
        "itemStyle": {":color": _colour("chart-1")},
        "markArea": shaded,
    }
    if threshold is not None:
        line["markLine"] = {
            "silent": True,
            "symbol": "none",
            "data": [{"yAxis": round(threshold, 3)}],
            "lineStyle": {":color": _colour("high"), "type": "dashed", "width": 1.2},
            "label": {
                "formatter": f"threshold {threshold:.1f}",
                "position": "insideStartTop",
                ":color": _colour("high"),
                ":backgroundColor": _colour("ground"),  # legible over the lines it lies on
                "padding": [1, 3],
            },
        }
    return line


def _shading(flagged: Sequence[tuple[int, int]], moments: Sequence[int]) -> Option:
    """A stretch of one record still has a width that can be seen."""
    least = (moments[-1] - moments[0]) / 250 if len(moments) > 1 else 1000
    return {
        "silent": True,
        "itemStyle": {":color": _colour("shade")},
        "data": [[{"xAxis": first - least / 2}, {"xAxis": last + least / 2}] for first, last in flagged],
    }


def _axis(grid: int) -> Option:
    return {
        "type": "value",
        "gridIndex": grid,
        "axisLabel": {
            "fontSize": 10,
            ":color": _colour("muted"),
            "showMinLabel": True,
            "showMaxLabel": True,
            "hideOverlap": True,
        },
        "splitLine": {"lineStyle": {":color": _colour("line"), "opacity": 0.6}},
        "axisLine": {"show": False},
        "axisTick": {"show": False},
    }


def _title(text: str, number: int) -> Option:
    style = {"fontSize": 12, "fontWeight": "normal", ":color": _colour("muted")}
    return {"text": text, "left": _LEFT - 6, "top": _top(number) - 18, "padding": [0, 6], "textStyle": style}


def _top(number: int) -> int:
    return _TITLE + (0 if number == 0 else _SCORE_HEIGHT + _TITLE + (number - 1) * (_BAND_HEIGHT + _TITLE))


def _with_gaps(data: list[list[Any]]) -> list[list[Any]]:
    """The same points, with an empty one wherever the stream paused: a line across would claim records there."""
    steps = sorted(after[0] - before[0] for before, after in pairwise(data))
    if not steps:
        return data
    longest = max(6 * steps[len(steps) // 2], 3 * slow_step(steps), 2000)
    whole = data[:1]
    for before, after in pairwise(data):
        if after[0] - before[0] > longest:
            whole.append([(before[0] + after[0]) // 2, None])
        whole.append(after)
    return whole


def _drawn(data: list[list[Any]]) -> Option:
    """The points of a line; one that stands alone between gaps, through which no line goes, as a dot."""
    values = [None, *(value for _, value in data), None]
    alone = [value is not None and values[at] is None and values[at + 2] is None for at, (_, value) in enumerate(data)]
    dots = [{"value": point, "symbol": "circle"} if dot else point for point, dot in zip(data, alone, strict=True)]
    # Every key always: a chart that is shown keeps what it is not told anew.
    return {"data": dots, "showSymbol": any(alone), "symbol": "none" if any(alone) else "circle", "symbolSize": 4}


def _score_title(legend: Sequence[tuple[str, str]]) -> Option:
    """The first band's title, which is its legend too: each area below the line by its name and colour."""
    named = "".join(f"   {{p{number}|{name}}}" for number, (name, _) in enumerate(legend))
    title = _title("surprise" + (f" of which{named}" if named else ""), 0)
    colours = {f"p{number}": {":color": _colour(colour)} for number, (_, colour) in enumerate(legend)}
    title["textStyle"] |= {":color": _colour("chart-1"), "rich": colours}
    return title


def _round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, a quarter of the span or more."""
    power = 10.0 ** floor(log10(span / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 4 >= span)


def _short(value: float) -> float | None:
    """Five significant digits: more cannot be seen, and every viewer receives them each second."""
    return float(f"{value:.5g}") if value == value and abs(value) != float("inf") else None


def _colour(name: str) -> str:
    return f"latentwatch.colour('{name}')"
