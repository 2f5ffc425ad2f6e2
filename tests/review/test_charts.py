"""Charts: a fixed number of points, no peak lost, honest gaps, and maps that keep their ground."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.alerts.reading import MapPoint
from latentwatch.detector.interface import MapGround
from latentwatch.domain.alert import Severity, Verdict
from latentwatch.domain.outcome import TracePoint
from latentwatch.review.charts.latent import map_option, state_of
from latentwatch.review.charts.thinning import around, milliseconds, stretches, thin
from latentwatch.review.charts.trace import MOST_POINTS, DrawnNormal, chosen_features, trace_option
from tests.review.sketch import NOW, PUMP, trace_point

GROUND = MapGround(
    x=np.linspace(-2, 2, 100, dtype=np.float32),
    y=np.linspace(-1, 1, 100, dtype=np.float32),
    density=np.eye(100, dtype=np.float32),
    sample=np.zeros((5, 2), np.float32),
)


def points(surprises: list[float], step: float = 1.0) -> list[TracePoint]:
    """A trace with these surprises, evenly spaced."""
    return [trace_point("rig-a", NOW + timedelta(seconds=step * n), n, value) for n, value in enumerate(surprises)]


@given(st.lists(st.floats(0, 20), min_size=0, max_size=400), st.integers(3, 100))
def test_thinning_keeps_order_ends_and_peak(surprises: list[float], most: int):
    """However long the trace, as many points as fit, in order, with both ends and the highest peak."""
    whole = points(surprises)
    kept = thin(whole, most)
    assert len(kept) == min(len(whole), most)
    assert [point.time for point in kept] == sorted(point.time for point in kept)
    if whole:
        assert (kept[0], kept[-1]) == (whole[0], whole[-1])
        assert max(point.surprise for point in kept) == max(surprises)


def test_flagged_stretches():
    """Neighbouring flagged points are one stretch; a pause of more than two points parts them."""
    found = stretches(points([0, 4, 4, 0, 0, 4, 0, 0, 0, 4]))
    start = round(NOW.timestamp() * 1000)
    assert found == [(start + 1000, start + 5000), (start + 9000, start + 9000)]


def test_a_short_alert_keeps_a_short_lead():
    """A long trace before an alert is cut, and so is what came before a long pause."""
    whole = points([0.0] * 500 + [5.0] * 10)
    near = around(whole, whole[500].time, whole[-1].time)
    assert near[0].time == whole[460].time
    moved = [
        replace(point, time=point.time - timedelta(hours=1)) if n < 490 else point for n, point in enumerate(whole)
    ]
    assert around(moved, moved[500].time, moved[-1].time)[0] is moved[490]
    later = [*whole, *(replace(point, time=point.time + timedelta(hours=1)) for point in whole[-5:])]
    assert around(later, whole[500].time, whole[-1].time)[-1] is whole[-1]


def test_every_band_shares_one_time_axis():
    """Score and sensors have the same ends, every point its place, and the threshold is drawn."""
    option = trace_option(PUMP.record, chosen_features(PUMP.record), points([0.5] * 1000), 3.0)
    assert len({(axis["min"], axis["max"]) for axis in option["xAxis"]}) == 1
    assert len(option["grid"]) == len(option["xAxis"]) == len(option["yAxis"]) == 4
    assert all(len(series["data"]) <= 2 * MOST_POINTS for series in option["series"])
    assert len({grid["left"] for grid in option["grid"]}) == 1
    assert {grid["outerBoundsMode"] for grid in option["grid"]} == {"none"}
    assert option["series"][0]["markLine"]["data"] == [{"yAxis": 3.0}]
    json.dumps(option, allow_nan=False)


def test_what_components_add_is_stacked_to_the_surprise():
    """The two that add most, and the others together, at flagged records alone; nothing else is drawn beside the surprise."""
    trace = points([0.5, 4.0, 5.0, 0.5])
    added = {
        trace[1].time: {"level": 2.0, "shape": 1.0, "density": 0.5, "dynamics": 0.5},
        trace[2].time: {"level": 1.0, "shape": 4.0},
    }
    option = trace_option(PUMP.record, ["flow"], trace, 3.0, added)
    areas = option["series"][1:-1]
    assert [area["name"] for area in areas] == ["shape", "level", "others"]
    heights = [[value for _, value in area["data"]] for area in areas]
    assert heights == [[None, 1.0, 4.0, None], [None, 2.0, 1.0, None], [None, 1.0, 0.0, None]]
    assert [sum(each) for each in list(zip(*heights, strict=True))[1:3]] == [4.0, 5.0]
    assert "others" in option["title"][0]["text"]
    assert [series["name"] for series in trace_option(PUMP.record, [], trace, 3.0)["series"]] == ["surprise"]


def test_a_pause_of_the_stream_is_a_gap():
    """No line is drawn across time in which nothing was seen; a missing value is a gap too."""
    seen = points([0.5] * 10)
    later = [replace(point, time=point.time + timedelta(minutes=10)) for point in seen]
    option = trace_option(PUMP.record, ["flow"], [*seen, *later], None)
    for series in option["series"]:
        assert [value for _, value in series["data"]].count(None) == 1
    hole = [replace(point, values={**point.values, "flow": None}) if n == 4 else point for n, point in enumerate(seen)]
    assert trace_option(PUMP.record, ["flow"], hole, None)["series"][-1]["data"][4][1] is None


def test_a_point_alone_between_gaps_is_a_dot():
    """No line goes through it, so that it would not be seen; where lines are drawn there are no dots."""
    seen = points([0.5] * 40)
    lone = replace(seen[0], time=seen[-1].time + timedelta(minutes=10))
    later = [replace(point, time=point.time + timedelta(minutes=20)) for point in seen]
    for series in trace_option(PUMP.record, ["flow"], [*seen, lone, *later], None)["series"]:
        dots = [point for point in series["data"] if isinstance(point, dict)]
        assert [(dot["value"][0], dot["symbol"]) for dot in dots] == [(milliseconds(lone), "circle")]
        assert (series["symbol"], series["showSymbol"]) == ("none", True)
    for series in trace_option(PUMP.record, ["flow"], [*seen, *later], None)["series"]:
        assert not any(isinstance(point, dict) for point in series["data"])
        assert series["showSymbol"] is False


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0], [0.0, 0.0], [-3.0, 1e6], [1e-7, 2e-7]])
def test_axes_hold_their_values(values: list[float]):
    """An axis has round ends that contain what it shows, also for a constant."""
    seen = [
        replace(point, values={"flow": value}) for point, value in zip(points([0.5] * len(values)), values, strict=True)
    ]
    option = trace_option(PUMP.record, ["flow"], seen, None)
    axis = option["yAxis"][1]
    assert axis["max"] > axis["min"]
    assert all(axis["min"] <= value <= axis["max"] for value in values)


@pytest.mark.parametrize("peak", [0.5, 5.9, 6.4, 13.0, 27.5])
def test_the_score_axis_ends_on_a_mark(peak: float):
    """Marks are evenly spaced up to the end: a last one close to another reads as a fault of the chart."""
    axis = trace_option(PUMP.record, [], points([0.5, peak]), 3.2)["yAxis"][0]
    assert axis["max"] >= max(peak, 3.2)
    assert axis["max"] % axis["interval"] == 0
    assert axis["max"] / axis["interval"] <= 5


def test_guilty_features_come_first_and_text_has_no_band():
    """An alert's chart begins with what was strange."""
    assert chosen_features(PUMP.record, ["mode", "unknown"]) == ["mode", "flow", "pressure"]


def place(x: float, y: float, verdict: Verdict | None = None, reconstruction: float = 1.0) -> MapPoint:
    """A flagged record on the map."""
    return MapPoint(1, "rig-a", NOW, 4.0, Severity.LOW, verdict, (x, y), reconstruction, 3.0)


def test_the_map_draws_ground_and_verdicts():
    """Ground first, then one series a verdict, each with its own shape."""
    option = map_option(GROUND, [place(0, 0), place(1, 0, Verdict.TRUE), place(1, 1, Verdict.FALSE)], brush=True)
    ground, rings, *marks = option["series"]
    assert (ground["id"], rings["id"], rings["data"]) == ("ground", "rings", [])
    assert 0 < len(ground["data"]) <= 72 * 72
    assert [(series["id"], len(series["data"])) for series in marks] == [
        ("none", 1),
        ("true", 1),
        ("false", 1),
        ("unsure", 0),
    ]
    assert len({series["symbol"] for series in marks}) == 4
    json.dumps(option, allow_nan=False)


def test_a_place_and_the_ring_around_it_say_two_things():
    """Where a record lies tells its state, the ring how badly its readings fit each other."""
    ground = replace(GROUND, contours=np.array([0.9, 0.5], np.float32))
    usual, off, strange = place(0, 0), place(0, 0, reconstruction=9.0), place(2, -1)
    assert state_of(ground, usual) == "a usual state"
    assert state_of(ground, off) == "a usual state, but these readings do not fit each other"
    assert state_of(ground, strange) == "an unusual state"
    assert state_of(GROUND, usual) == ""
    _, rings, *marks = map_option(ground, [usual, off], brush=False)["series"]
    assert len(rings["data"]) == 1
    assert marks[0]["data"][1]["state"].startswith("a usual state, but")


def test_one_far_record_does_not_hide_the_ground():
    """The map widens for what lies outside, but only so far."""
    near = map_option(GROUND, [place(3, 0)], brush=False)
    far = map_option(GROUND, [place(1e9, 0)], brush=False)
    assert near["xAxis"]["max"] >= 3
    assert far["xAxis"]["max"] < 10


def test_a_map_without_anything_still_draws():
    """No ground and no record is an empty map, not an error."""
    assert map_option(None, [], brush=True)["xAxis"]["min"] < 0


def test_calm_points_stay_joined_beside_a_crowd_of_flagged_ones():
    """Where a fast stream was thinned but its alert was not, the calm stretches are lines still; a real pause is none."""
    moments = [*range(0, 1200, 60), *range(1200, 1700, 5), *range(1700, 2900, 60), 8000]
    trace = [trace_point("rig-a", NOW + timedelta(seconds=moment), moment, 1.0) for moment in moments]
    drawn = trace_option(PUMP.record, ["pressure"], trace, 3.0)["series"][0]["data"]
    assert [value for _, value in drawn].count(None) == 1
    assert drawn[-2][1] is None
    near = around(trace, trace[20].time, trace[119].time)
    assert near[0].time == NOW + timedelta(seconds=240)


def test_thinned_points_show_the_least_and_the_greatest() -> None:
    """A thin spike of a number is drawn although its record was not strange, also where the trace was thinned twice."""
    whole = [
        replace(point, values={"flow": 5.0 + 90.0 * (n == 777)}) for n, point in enumerate(points([0.5, 0.7] * 1_000))
    ]
    drawn = trace_option(PUMP.record, ["flow"], thin(whole, 1_000), None)["series"][-1]["data"]
    assert max(value for _, value in drawn) == 95.0
    assert sum(point.records for point in thin(thin(whole, 1_000), 300)) == 2_000


def test_no_gap_is_drawn_where_records_were() -> None:
    """What led up to an alert is the coarser the further back; a pause in it is a gap still."""
    coarse = [replace(point, records=64) for point in points([0.5] * 20, step=64.0)]
    fine = [replace(point, time=point.time + timedelta(seconds=1280)) for point in points([0.5] * 300)]
    whole = trace_option(PUMP.record, ["pressure"], [*coarse, *fine], None)["series"][0]["data"]
    assert [value for _, value in whole].count(None) == 0
    late = [replace(point, time=point.time + timedelta(seconds=900)) for point in fine]
    paused = trace_option(PUMP.record, ["pressure"], [*coarse, *late], None)["series"][0]["data"]
    assert [value for _, value in paused].count(None) == 1


def test_a_slow_sensor_is_drawn_from_value_to_value() -> None:
    """Its last known value stands until the next one; there is no hole in it."""
    seen = [
        replace(point, values={"flow": 5.0 + n if n % 10 == 0 else None}) for n, point in enumerate(points([0.5] * 100))
    ]
    series = trace_option(PUMP.record, ["flow"], seen, None)["series"][-1]
    assert [value for _, value in series["data"]] == [5.0 + 10 * n for n in range(10)]
    assert series["step"] == "end"


def test_what_is_usual_and_what_was_expected_are_drawn() -> None:
    """A band across, and a dashed line at flagged records; the axis holds both."""
    seen = points([0.5] * 20)
    normal = DrawnNormal({"flow": (-40.0, 3.0)}, {seen[7].time: {"flow": 120.0}, seen[8].time: {"flow": 121.0}})
    option = trace_option(PUMP.record, ["flow"], seen, None, normal=normal)
    shown, expected = option["series"][-2:]
    assert [end["yAxis"] for end in shown["markArea"]["data"][0]] == [-40.0, 3.0]
    assert [value for _, value in expected["data"] if value is not None] == [120.0, 121.0]
    assert expected["lineStyle"]["type"] == "dashed"
    assert option["yAxis"][1]["min"] <= -40
    assert option["yAxis"][1]["max"] >= 121
    json.dumps(option, allow_nan=False)


def test_long_labels_have_room() -> None:
    """In every panel the same, so that a moment stands at one place."""
    short, long = (
        trace_option(PUMP.record, ["flow"], [replace(p, values={"flow": value}) for p in points([0.5] * 3)], None)
        for value in (1.0, 123_456_789.0)
    )
    assert short["grid"][0]["left"] < long["grid"][0]["left"] == long["grid"][1]["left"] <= 110
