"""The map of incidents: placed by a command, new ones among their like, told to programs, and bounded."""

import json

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.monitors import register_monitor
from latentwatch.cli import app
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.incident_placing import place_incidents_of
from latentwatch.review.incident_map import incident_map
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
