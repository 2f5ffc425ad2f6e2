"""The map of incidents: placed by a command, new ones among their like, told to programs, and bounded."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.exception_proposals import store_proposals
from latentwatch.alerts.exceptions import exceptions
from latentwatch.alerts.monitors import register_monitor
from latentwatch.cli import app
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.exceptions import NormalValue
from latentwatch.incident_placing import place_incidents_of
from latentwatch.review.charts.incidents import groups_of, incidents_option
from latentwatch.review.incident_actions import except_incidents, propose_for_incidents, take_back_from_map
from latentwatch.review.incident_map import incident_map
from latentwatch.review.room import Room
from tests.review.past_alerts import Past
from tests.review.sketch import PUMP

WHERE = "/api/monitors/mill/incidents/map"


@pytest.fixture
def past(engine: Engine, clock: ManualClock) -> Past:
    """Twelve incidents of two kinds, of which one has a cause."""
    register_monitor(engine, PUMP.model_copy(update={"name": "mill"}), clock)
    found = Past(engine, clock)
    for _ in range(6):
        found.alert({"vibration": 2.5, "temperature": 1.0})
        last = found.alert({"flow": 2.0, "pressure": 1.5})
    found.say(last, Verdict.TRUE, "leak")
    return found


def test_nothing_is_drawn_before_the_first_night(past: Past) -> None:
    """Rather than places that are none."""
    assert incident_map(past.engine, "mill") == ()


def test_like_incidents_lie_together(past: Past) -> None:
    """And one that comes later lies among its like until the next night, which moves nothing far."""
    assert place_incidents_of(past.engine, "mill") == 12
    before = incident_map(past.engine, "mill")
    assert len(before) == 12
    assert not any(one.since_placed for one in before)
    past.alert({"vibration": 2.4, "temperature": 1.1})
    *old, new = incident_map(past.engine, "mill")
    assert new.since_placed
    assert [one.place for one in old] == [one.place for one in before]
    nearest = min(old, key=lambda one: abs(complex(*one.place) - complex(*new.place)))
    assert nearest.dot.features == new.dot.features or "vibration" in nearest.dot.features
    assert place_incidents_of(past.engine, "mill") == 13
    after = incident_map(past.engine, "mill")
    assert max(abs(complex(*a.place) - complex(*b.place)) for a, b in zip(before, after, strict=False)) <= 0.05 + 1e-9


def test_programs_read_it(past: Past, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Placed by the command; an unknown monitor is not found."""
    monkeypatch.setenv("LATENTWATCH_DATABASE", str(past.engine.url))
    placed = CliRunner().invoke(app, ["incidents", "place", "--json"])
    assert placed.exit_code == 0, placed.output
    assert client.get("/api/monitors/nobody/incidents/map").status_code == 404
    assert json.loads(placed.stdout)["mill"] == 12
    found = client.get(WHERE).json()
    assert len(found) == 12
    assert found[-1]["cause"] == "leak"
    assert found[-1]["verdict"] == "true"
    assert set(found[0]) >= {"place", "severity", "features", "since_placed"}
    unknown = CliRunner().invoke(app, ["incidents", "place", "nobody"])
    assert unknown.exit_code != 0


def test_more_incidents_than_are_placed_by_each_other_lie_among_their_like(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest six by each other, the older six between those they are most like; the API tells as many as are asked for."""
    monkeypatch.setattr("latentwatch.incident_placing.MOST_PLACED", 6)
    assert place_incidents_of(past.engine, "mill") == 12
    found = incident_map(past.engine, "mill")
    assert not any(one.since_placed for one in found)
    for one in found[:6]:
        alike = [other.place for other in found[6:] if set(other.dot.features) == set(one.dot.features)]
        assert len(alike) == 3
        assert one.place == pytest.approx(np.mean(alike, axis=0))
    assert [one.dot.incident for one in incident_map(past.engine, "mill", 3)] == [
        one.dot.incident for one in found[-3:]
    ]


def test_many_dots_are_drawn_as_columns(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places as floats in the order of the groups' members, and nothing a dot beside."""
    place_incidents_of(past.engine, "mill")
    groups = groups_of(incident_map(past.engine, "mill"), "cause", datetime(2026, 3, 2, tzinfo=UTC))
    assert {group.name: len(group.members) for group in groups} == {"not labelled": 11, "leak": 1}
    assert "incident" in incidents_option(groups)["series"][0]["data"][0]
    monkeypatch.setattr("latentwatch.review.charts.incidents.MOST_ROUND", 10)
    for group, series in zip(groups, incidents_option(groups)["series"], strict=True):
        text = series[":data"].split("'")[1]
        places = np.frombuffer(b64decode(text), "<f4").reshape(-1, 2)
        assert places == pytest.approx(np.array([one.place for one in group.members]), abs=1e-6)


def test_a_place_beyond_the_width_is_drawn(past: Past) -> None:
    """What is placed anew may lie a little outside of where all lay first."""
    place_incidents_of(past.engine, "mill")
    far = [replace(one, place=(1.2, -0.2)) for one in incident_map(past.engine, "mill")]
    option = incidents_option(groups_of(far, "age", datetime(2026, 3, 2, tzinfo=UTC)))
    assert option["xAxis"]["min"] < -0.2 < 1.2 < option["xAxis"]["max"]


def test_an_exception_for_a_selection_is_taken_back_with_its_labels(
    past: Past, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both, by one button; a refused proposal changes nothing."""
    place_incidents_of(past.engine, "mill")
    incidents = [one.dot.incident for one in incident_map(past.engine, "mill")][:2]
    no_model = propose_for_incidents(room, "mill", incidents)
    assert "no model serves" in no_model.problem
    wrong = except_incidents(room, "mill", incidents, {"proposal": "nothing"})
    assert wrong.refused
    form = NormalValue(entity="rig-0", feature="mode", value="wash")
    (proposal,) = store_proposals(past.engine, "mill", [form], [], room.now())
    done = except_incidents(room, "mill", incidents, {"proposal": proposal, "author": "Ann"})
    assert not done.refused, done.sentence
    assert done.undo
    assert done.exception
    assert [one.dot.verdict for one in incident_map(past.engine, "mill")][:2] == [Verdict.FALSE] * 2
    back = take_back_from_map(room, "mill", {"id": done.undo, "exception": done.exception, "author": "Ann"})
    assert not back.refused, back.sentence
    assert exceptions(past.engine, "mill") == []
    assert [one.dot.verdict for one in incident_map(past.engine, "mill")][:2] == [None] * 2
