"""Sensor traces and the score above each other on one shared time axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, floor, log10
from typing import Any

from latentwatch.domain.counters import in_rates
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.record import Value
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.review.charts.colours import colour, threshold_line
from latentwatch.review.charts.part_areas import part_areas
from latentwatch.review.charts.thinning import gaps, milliseconds, stretches, thin

MOST_POINTS = 300
MOST_BANDS = 14
_NEARLY_ALL = 0.8
_SCORE_HEIGHT, _BAND_HEIGHT, _TITLE, _BOTTOM = 120, 42, 24, 26
_LEFT, _WIDEST_LEFT, _RIGHT = 46, 110, 14

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


@dataclass(frozen=True, slots=True)
class DrawnNormal:
    """What would have been normal, drawn beside what was."""

    usual: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """What numbers showed before, by feature."""
    expected: Mapping[datetime, Mapping[str, Value]] = field(default_factory=dict)
    """What was expected of a record's features, by its time."""


def trace_option(
    schema: RecordSchema,
    features: Sequence[str],
    points: Sequence[TracePoint],
    threshold: float | None,
    parts: Mapping[datetime, Mapping[str, float]] | None = None,
    normal: DrawnNormal | None = None,
) -> Option:
    """The whole chart: the score with its threshold on top, one band a feature below, flagged stretches shaded.

    `parts` are what components add to the surprise of flagged records, by the records' times; they are stacked below it.
    Points that stand for several records show the least and the greatest of them.
    """
    kept = thin(points, MOST_POINTS)
    moments, pauses = [milliseconds(point) for point in kept], gaps(kept)
    shaded = _shading(stretches(points), moments)
    bands = [_Band(in_rates(schema).feature(name), kept, pauses, normal or DrawnNormal()) for name in features]
    option = _frame(len(bands), moments, _left(bands))
    areas, legend = part_areas(parts or {}, [point.time for point in kept], moments)
    areas = [area | _drawn(_with_gaps([[pair] for pair in area["data"]], pauses)) for area in areas]
    option["title"].append(_score_title(legend))
    option["yAxis"].append(_score_axis(kept, threshold))
    option["series"] += [_score_line(kept, pauses, threshold, shaded), *areas]
    for number, band in enumerate(bands, start=1):
        option["title"].append(_title(band.title, number))
        option["yAxis"].append(band.axis(number))
        option["series"] += band.series(number, shaded)
    return option


class _Band:
    """One feature's trace."""

    def __init__(self, feature: Feature, points: Sequence[TracePoint], pauses: set[int], normal: DrawnNormal) -> None:
        self.feature = feature
        name = feature.name
        values = [point.values.get(name) for point in points]
        self.words = sorted({str(value) for value in values if value is not None})[:12]
        self.stepped = not feature.is_number or feature.type is FeatureType.BOOLEAN
        self.usual = normal.usual.get(name) if feature.is_number else None
        drawn = [[[milliseconds(point), value] for value in self._shown(point)] for point in points]
        known = sum(any(value is not None for _, value in few) for few in drawn)
        # A slow sensor is drawn from one known value to the next; where nearly all points show one, a missing one is a gap.
        self.slow = 0 < known < _NEARLY_ALL * len(points)
        if self.slow:
            drawn = [[pair for pair in few if pair[1] is not None] for few in drawn]
        self.stepped = self.stepped or self.slow
        self.data = _with_gaps(drawn, pauses)
        expected = [(milliseconds(point), self._expected(point, normal)) for point in points]
        self.expected = [[moment, value] for moment, value in expected if value is not None]

    def _shown(self, point: TracePoint) -> list[Value]:
        """Its value, or the least and the greatest of those that the point stands for."""
        name = self.feature.name
        low, high = point.low.get(name), point.high.get(name)
        if self.stepped or low is None or high is None or low == high:
            return [self._plot(point.values.get(name) if low is None else low)]
        return [_short(low), _short(high)]

    def _expected(self, point: TracePoint, normal: DrawnNormal) -> Value:
        expected = normal.expected.get(point.time, {}).get(self.feature.name)
        return self._plot(expected) if self.feature.is_number else None

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
        shown = [value for _, value in (*self.data, *self.expected) if isinstance(value, float | int)]
        values = [*shown, *(self.usual or ())]
        if not values:
            return 0.0, 1.0
        low, high = min(values), max(values)
        step = _round_step(max(high - low, abs(high) * 1e-3, 1e-9))
        bottom = floor(low / step) * step
        top = max(ceil(high / step) * step, bottom + step)
        return float(f"{bottom:.6g}"), float(f"{top:.6g}")

    def series(self, grid: int, shaded: Option) -> list[Option]:
        """What was shown, over what is usual, and what was expected where that is known."""
        across = {"itemStyle": {":color": colour("usual")}}
        usual = [[{"yAxis": self.usual[0], **across}, {"yAxis": self.usual[1]}]] if self.usual else []
        shown = {
            "type": "line",
            "name": self.feature.name,
            "xAxisIndex": grid,
            "yAxisIndex": grid,
            **_drawn(self.data),
            "step": "end" if self.stepped else False,
            "lineStyle": {"width": 1.2, ":color": colour("ink")},
            "itemStyle": {":color": colour("ink")},
            "markArea": shaded | {"data": [*usual, *shaded["data"]]},
        }
        if not self.expected:
            return [shown]
        expected = {
            "type": "line",
            "name": f"{self.feature.name}, expected",
            "xAxisIndex": grid,
            "yAxisIndex": grid,
            **_drawn(self.expected),
            "lineStyle": {"width": 1.2, "type": "dashed", ":color": colour("chart-1")},
            "itemStyle": {":color": colour("chart-1")},
        }
        return [shown, expected]

    @property
    def labels(self) -> list[str]:
        """The axis' labels."""
        if self.feature.type is FeatureType.CATEGORY:
            return self.words
        return [] if self.feature.type is FeatureType.BOOLEAN else [f"{end:,}" for end in self._reach()]


def _left(bands: Sequence[_Band]) -> int:
    """Pixels left of every panel: room for the longest label, in steps, so that it stays put while values wobble."""
    longest = max((len(label) for band in bands for label in band.labels), default=0)
    return min(_WIDEST_LEFT, max(_LEFT, 16 * ceil((6 * longest + 12) / 16)))


def _frame(bands: int, moments: Sequence[int], left: int) -> Option:
    reach = {"min": moments[0], "max": moments[-1]} if moments else {}
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "title": [],
        "grid": [
            {
                "left": left,
                "right": _RIGHT,
                "top": _top(number),
                "height": _BAND_HEIGHT if number else _SCORE_HEIGHT,
                # Or each panel would make room for its own labels, and one moment stand at two places.
                "outerBoundsMode": "none",
            }
            for number in range(bands + 1)
        ],
        "xAxis": [
            {
                "type": "time",
                "gridIndex": number,
                "axisLine": {"lineStyle": {":color": colour("line")}},
                "axisTick": {"show": number == bands},
                "axisLabel": {"show": number == bands, "hideOverlap": True, "fontSize": 11, ":color": colour("muted")},
                "splitLine": {"show": False},
                "axisPointer": {"label": {"show": False}, "lineStyle": {":color": colour("muted")}},
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
            ":backgroundColor": colour("panel"),
            ":borderColor": colour("line"),
            "textStyle": {"fontSize": 12, ":color": colour("ink")},
        },
    }


def _score_axis(points: Sequence[TracePoint], threshold: float | None) -> Option:
    """From zero to comfortably above the threshold; it only grows with what is seen, so that the line keeps its place."""
    top = max([5.0, (threshold or 0.0) * 1.25, *(1.05 * point.surprise for point in points)])
    step = _round_step(top)
    return _axis(0) | {"min": 0, "max": step * ceil(top / step), "interval": step}


def _score_line(points: Sequence[TracePoint], pauses: set[int], threshold: float | None, shaded: Option) -> Option:
    course = [[[milliseconds(point), round(point.surprise, 3)]] for point in points]
    line = {
        "type": "line",
        "name": "surprise",
        **_drawn(_with_gaps(course, pauses)),
        "z": 3,
        "lineStyle": {"width": 1.8, ":color": colour("chart-1")},
        "itemStyle": {":color": colour("chart-1")},
        "markArea": shaded,
    }
    if threshold is not None:
        line["markLine"] = threshold_line(threshold)
    return line


def _shading(flagged: Sequence[tuple[int, int]], moments: Sequence[int]) -> Option:
    """A stretch of one record still has a width that can be seen."""
    least = (moments[-1] - moments[0]) / 250 if len(moments) > 1 else 1000
    return {
        "silent": True,
        "itemStyle": {":color": colour("shade")},
        "data": [[{"xAxis": first - least / 2}, {"xAxis": last + least / 2}] for first, last in flagged],
    }


def _axis(grid: int) -> Option:
    return {
        "type": "value",
        "gridIndex": grid,
        "axisLabel": {
            "fontSize": 10,
            ":color": colour("muted"),
            "showMinLabel": True,
            "showMaxLabel": True,
            "hideOverlap": True,
            "width": _WIDEST_LEFT - 10,
            "overflow": "truncate",
        },
        "splitLine": {"lineStyle": {":color": colour("line"), "opacity": 0.6}},
        "axisLine": {"show": False},
        "axisTick": {"show": False},
    }


def _title(text: str, number: int) -> Option:
    style = {"fontSize": 12, "fontWeight": "normal", ":color": colour("muted")}
    return {"text": text, "left": _LEFT - 6, "top": _top(number) - 18, "padding": [0, 6], "textStyle": style}


def _top(number: int) -> int:
    return _TITLE + (0 if number == 0 else _SCORE_HEIGHT + _TITLE + (number - 1) * (_BAND_HEIGHT + _TITLE))


def _with_gaps(drawn: list[list[list[Any]]], pauses: set[int]) -> list[list[Any]]:
    """What is drawn of each point, one after the other, with an empty one wherever the stream paused."""
    whole: list[list[Any]] = []
    for place, few in enumerate(drawn):
        if whole and place - 1 in pauses and few:
            whole.append([(whole[-1][0] + few[0][0]) // 2, None])
        whole += few
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
    colours = {f"p{number}": {":color": colour(shade)} for number, (_, shade) in enumerate(legend)}
    title["textStyle"] |= {":color": colour("chart-1"), "rich": colours}
    return title


def _round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, a quarter of the span or more."""
    power = 10.0 ** floor(log10(span / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 4 >= span)


def _short(value: float) -> float | None:
    """Five significant digits: more cannot be seen, and every viewer receives them each second."""
    return float(f"{value:.5g}") if value == value and abs(value) != float("inf") else None
