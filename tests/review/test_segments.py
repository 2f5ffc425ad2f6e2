"""Segments: groups that alarm more or less than others or than promised are found, and none where all are alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.exceptions import exceptions, exceptions_in_force
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading.segments import GroupDay, UnconfirmedAlarm
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import app
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.exceptions import GroupThreshold
from latentwatch.domain.groups import GroupedBy, GroupName
from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.outcome import GroupCount
from latentwatch.domain.record import Position
from latentwatch.review.pages.segments import give_threshold, segments_markup
from latentwatch.review.room import Room
from latentwatch.review.segments import GroupTally, Segments, compared, dispersion, holm, segments, shift_for, tally
from tests.alerts.build import flagged, outcome
from tests.review.sketch import EVIL, NOW

START = datetime(2026, 3, 2, tzinfo=UTC)
PROMISE = 0.01
RUN = 3


def rig(name: str) -> GroupName:
    """An entity as a group."""
    return GroupName(GroupedBy.ENTITY, "", name)


def stretch(rates: dict[str, float], seed: int = 0, records: int = 20_000, days: int = 20) -> Segments:
    """What is found where each rig flags its own share of records, in runs of three."""
    random = np.random.default_rng(seed)
    counted: list[GroupDay] = []
    alarms: list[UnconfirmedAlarm] = []
    for name, rate in rates.items():
        for day in range(days):
            moment = START + timedelta(days=day)
            counted.append(GroupDay(rig(name), moment, records // days))
            for _ in range(random.poisson(rate * records / days / RUN)):
                alarms.append(UnconfirmedAlarm(len(alarms), name, moment, RUN, 3.0 + random.exponential(0.4), 3.0, {}))
    return compared("mill", START, tally(counted, alarms, "UTC"), PROMISE, dispersion(counted, alarms))


def test_two_rigs_under_one_promise_are_told_apart() -> None:
    """1.06 and .44 % of 20,000 records each under a promise of 1 %: each other's, and the second against the promise."""
    for seed in range(10):
        found = {each.group.value: each for each in stretch({"A": 0.0106, "B": 0.0044}, seed).segments}
        assert found["A"].apart
        assert found["B"].apart
        assert (found["A"].off, found["B"].off) == (False, True)
        assert found["B"].shift < 0
        assert found["B"].interval[0] < found["B"].share < found["B"].interval[1]


def test_an_empty_count_says_what_counts() -> None:
    """A monitor whose files were only scored with --input has counted nothing, and says so."""
    assert "files scored with --input are not counted" in compared("mill", START, [], PROMISE).in_words


def test_nothing_is_reported_on_shuffled_labels() -> None:
    """Runs dealt out at random to 8 rigs, in 200 shuffles: groups differ in at most 1 % of them and a little chance."""
    random = np.random.default_rng(7)
    reported = 0
    for _ in range(200):
        owners = random.integers(8, size=300)
        tallies = [
            GroupTally(rig(str(name)), 10_000, int(found), RUN * int(found))
            for name, found in enumerate(np.bincount(owners, minlength=8))
        ]
        reported += any(each.apart for each in compared("mill", START, tallies, 0.01125).segments)
    assert reported <= 5


def test_days_that_differ_count_less() -> None:
    """One bad day of one rig, thirty runs close together, is one cause and no difference between rigs."""
    counted = [GroupDay(rig(name), START + timedelta(days=day), 1_000) for name in "AB" for day in range(20)]
    quiet = [
        UnconfirmedAlarm(number, "AB"[number % 2], START + timedelta(days=number % 20), 1, 3.2, 3.0, {})
        for number in range(20)
    ]
    burst = [UnconfirmedAlarm(100 + number, "A", START, 1, 3.2, 3.0, {}) for number in range(30)]
    spread = dispersion(counted, [*quiet, *burst])
    assert spread > 5
    tallies = tally(counted, [*quiet, *burst], "UTC")
    assert any(each.apart for each in compared("mill", START, tallies, None).segments)
    assert not any(each.apart for each in compared("mill", START, tallies, None, spread).segments)


def test_a_proposed_threshold_leaves_as_many_alarms_as_promised() -> None:
    """Of 90 alarms where 30 are promised the strongest 30 are left; one that alarms too little is lowered, at most by 1."""
    peaks = tuple(np.linspace(0.01, 2.0, 90).tolist())
    shift = shift_for(GroupTally(rig("A"), 9_000, 90, 270, peaks), 0.01, 3.0)
    assert 20 <= sum(peak >= shift for peak in peaks) <= 30
    assert shift_for(GroupTally(rig("B"), 9_000, 10, 30, peaks[:10]), 0.01, 3.0) == pytest.approx(-0.4)
    assert shift_for(GroupTally(rig("C"), 10**9, 0, 0), 0.01, 3.0) == -1.0


def test_holm_leaves_out_what_is_no_test() -> None:
    """The smallest chance counts as often as there are tests."""
    assert np.allclose(holm(np.array([0.03, np.nan, 0.01])), [0.03, np.nan, 0.02], equal_nan=True)


MILL = """
name: mill
source: {file: {path: mill.csv}}
record: {time: at, entity: rig, features: {Pressure: numeric, Mode: category}}
alert: {false_alarm_rate: 0.01}
segments: [Mode]
"""


@pytest.fixture
def mill(engine: Engine, clock: ManualClock) -> Monitor:
    """A monitor of which rig-1 alarms often, rig-2 hardly, and one alarm was confirmed."""
    monitor = parse_monitor(MILL)
    register_monitor(engine, monitor)
    store = AlertStore(engine, "mill", clock)
    store.claim("mill.csv", 0, 0)
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    groups = [GroupCount(rig(name), day, 1, 20_000) for name in ("rig-1", "rig-2", EVIL)]
    groups += [GroupCount(GroupName(GroupedBy.FIELD, "Mode", mode), day, 1, 30_000) for mode in ("auto", "hand")]
    records = [
        replace(
            flagged(number, entity="rig-1" if number % 20 else "rig-2", surprise=3.0 + number / 500),
            position=Position("mill.csv", 0, number),
            time=day + timedelta(seconds=70 * number),
        )
        for number in range(600)
    ]
    done = store.commit(replace(outcome(0, 600, records), monitor="mill", source="mill.csv", groups=tuple(groups)))
    label(engine, done.alerts_opened[0], Verdict.TRUE, "Ann", "leak", clock=clock)
    return monitor


def test_groups_are_counted_from_the_database(mill: Monitor, engine: Engine) -> None:
    """Of each entity and value; what was confirmed is no alarm, and hours that nobody counted are not there."""
    found = segments(engine, mill, NOW, 30)
    told = {(each.group.field, each.group.value): each for each in found.segments}
    assert set(told) == {("", "rig-1"), ("", "rig-2"), ("", EVIL), ("Mode", "auto"), ("Mode", "hand")}
    assert (told["", "rig-1"].records, told["", "rig-2"].records) in ((570, 29), (569, 30))
    assert told["", "rig-1"].apart
    assert told["", "rig-1"].off
    assert told["", "rig-1"].shift > 0
    assert told["Mode", "auto"].alarms == found.alarms
    assert found.promised == 0.01


def test_programs_get_the_same_and_a_threshold_is_made_listed_and_undone(mill: Monitor, client: TestClient) -> None:
    """Proposed from the numbers, accepted as any exception, refused for a group that keeps the promise or was never seen."""
    told = client.get("/api/monitors/mill/segments?days=30").json()
    worst = next(each for each in told["segments"] if each["group"]["value"] == "rig-1")
    address = "/api/monitors/mill/segments/proposals"
    proposed = client.post(address, json={"by": "entity", "value": "rig-1"})
    assert proposed.status_code == 200, proposed.text
    assert proposed.json()["shift"] == worst["shift"]
    accepted = client.post("/api/monitors/mill/exceptions", json={"proposal": proposed.json()["id"], "author": "Ann"})
    assert accepted.status_code == 201, accepted.text
    assert accepted.json()["form"]["form"] == "threshold"
    assert client.post(address, json={"by": "entity", "value": "rig-1"}).status_code == 422
    assert client.post(address, json={"by": "entity", "value": "nobody"}).status_code == 404
    assert client.get("/api/monitors/nothing/segments").status_code == 404
    assert client.get("/api/monitors/mill/segments?days=0").status_code == 422
    number = accepted.json()["id"]
    assert client.post(f"/api/monitors/mill/exceptions/{number}/remove", json={"author": "Ann"}).status_code == 200
    assert client.post(address, json={"by": "entity", "value": "rig-1"}).status_code == 200


def test_the_page_shows_names_as_text_and_gives_a_threshold(mill: Monitor, room: Room) -> None:
    """One button for it; what a browser says is checked."""
    shown = segments_markup(room, "mill", 30)
    assert EVIL not in shown
    assert 'data-emit="group-threshold"' in shown
    for nonsense in (None, {}, {"by": "moon"}):
        assert give_threshold(room, "mill", 30, nonsense).refused
    done = give_threshold(room, "mill", 30, {"by": "entity", "field": "", "value": "rig-1"})
    assert not done.refused, done
    (made,) = exceptions(room.engine, "mill")
    assert isinstance(made.form, GroupThreshold)
    assert made.form.group == rig("rig-1")
    assert "its own, by" in segments_markup(room, "mill", 30)
    assert len(exceptions_in_force(room.engine, "mill").each) == 1


def test_the_command_line_tells_the_same(mill: Monitor, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table and a sentence; a group that is none is said to be none."""
    monkeypatch.setenv("LATENTWATCH_DATABASE", engine.url.render_as_string(hide_password=False))
    done = CliRunner().invoke(app, ["segments", "mill", "--days", "400"])
    assert done.exit_code == 0, done.output
    assert "rig-1" in done.output
    done = CliRunner().invoke(app, ["segments", "mill", "--days", "400", "--propose", "entity=rig-1"])
    assert done.exit_code == 0, done.output
    assert "the threshold of rig-1 is" in done.output
    assert CliRunner().invoke(app, ["segments", "mill", "--propose", "rig-1"]).exit_code != 0
