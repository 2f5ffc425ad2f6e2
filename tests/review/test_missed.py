"""Stretches that never alarmed: said by HTTP and on the live page, listed, taken back; what browsers send is checked."""

from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from latentwatch.alerts.missed_stretches import missed_stretches
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.review.missed_actions import forget_missed, say_missed
from latentwatch.review.room import Room
from latentwatch.review.templating import render
from tests.review.sketch import EVIL

SAID = {"start": "2026-03-01T02:10:00.000Z", "end": "2026-03-01T02:40:00.000Z", "cause": EVIL, "author": "ada"}


def test_a_program_says_lists_and_takes_back(client: TestClient):
    """A stretch of an entity, in event time, and only of the monitor that it is about."""
    address = "/api/monitors/pump/missed"
    said = {**SAID, "entity": "rig-a", "start": "2026-03-01T03:10:00+01:00"}
    made = client.post(address, json=said)
    assert made.status_code == 201, made.text
    assert (made.json()["start"], made.json()["author"]) == ("2026-03-01T02:10:00Z", "ada")
    assert client.get(address).json() == [made.json()]
    number = made.json()["id"]
    assert client.post(f"/api/monitors/kiln/missed/{number}/remove").status_code == 404
    assert client.post(f"{address}/{number}/remove").status_code == 204
    assert client.get(address).json() == []


@pytest.mark.parametrize(
    "wrong", [{"entity": ""}, {"end": "2026-03-01T02:00:00Z"}, {"author": ""}, {"start": "soon"}, {"more": 1}]
)
def test_what_makes_no_stretch_is_refused(client: TestClient, wrong: dict[str, Any]):
    """With 422, and nothing is written."""
    address = "/api/monitors/pump/missed"
    assert client.post(address, json={**SAID, "entity": "rig-a", **wrong}).status_code == 422
    assert client.get(address).json() == []
    assert client.get("/api/monitors/none/missed").status_code == 404


def test_the_live_pages_form(room: Room, engine: Engine):
    """Said, listed with its text as text, and taken back."""
    pump = registered_monitor(engine, "pump")
    assert "stays out of training" in say_missed(room, pump, "rig-a", SAID).sentence
    listed = render("missed.html", stretches=missed_stretches(engine, "pump"))
    assert "rig-a" in listed
    assert EVIL not in listed
    (made,) = missed_stretches(engine, "pump")
    for wrong in (None, {}, {"id": "x"}, {"id": "99"}):
        assert forget_missed(room, pump, wrong).refused
    assert not forget_missed(room, pump, {"id": str(made.id)}).refused
    assert missed_stretches(engine, "pump") == []


@pytest.mark.parametrize("said", [None, 7, {}, {**SAID, "start": "soon"}, {**SAID, "start": SAID["end"]}])
def test_what_a_browser_sends_is_checked(room: Room, engine: Engine, said: Any):
    """Refused in words."""
    assert say_missed(room, registered_monitor(engine, "pump"), "rig-a", said).refused
    assert missed_stretches(engine, "pump") == []
