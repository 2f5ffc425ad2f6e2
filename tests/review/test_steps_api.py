"""New normal?: the question by HTTP, on the pages and by the command line."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.exceptions import exceptions_in_force
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import app
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Grounds
from latentwatch.domain.steps import LastingChange, MovedFeature
from latentwatch.review.actions import act
from latentwatch.review.filters import View
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.room import Room
from tests.alerts.build import at, flagged, outcome

SIGNED = {"author": "Ann", "note": "bigger pump"}
SOURCE = "steps.jsonl"


@pytest.fixture
def asked(engine: Engine, clock: ManualClock) -> int:
    """An alert that asks, of a feature named like a script."""
    store = AlertStore(engine, "pump", clock)
    store.claim(SOURCE, 0, 0)
    step = LastingChange(at(0), at(90_000), (MovedFeature("<b>flow</b>", 10.0, 12.5, "l/min"),))
    record = replace(flagged(0, 90_000, "rig-9"), grounds=Grounds(step=step), position=Position(SOURCE, 0, 0))
    return store.commit(replace(outcome(0, 1, [record]), monitor="pump", source=SOURCE)).alerts_opened[0]


def test_the_question_is_part_of_the_alert_and_answered_once(client: TestClient, engine: Engine, asked: int):
    """Accepted, it has an exception and is closed; another answer is refused in words."""
    alert = client.get(f"/api/alerts/{asked}").json()["alert"]
    assert alert["answer"] is None
    assert alert["step"]["moved"] == [{"feature": "<b>flow</b>", "before": 10.0, "now": 12.5, "unit": "l/min"}]
    assert "is 12.5 l/min on average, 10 l/min before" in alert["step"]["in_words"]
    answer = client.post(f"/api/alerts/{asked}/accept", json=SIGNED)
    assert (answer.status_code, answer.json()) == (200, {"id": asked, "answer": "accept"})
    now = client.get(f"/api/alerts/{asked}").json()["alert"]
    assert (now["status"], now["answer"]) == ("closed", "accept")
    assert len(exceptions_in_force(engine, "pump").each) == 1
    refused = client.post(f"/api/alerts/{asked}/keep", json=SIGNED)
    assert refused.status_code == 422
    assert "answered 'accept' before" in refused.json()["detail"]
    assert client.post("/api/alerts/987654/keep", json=SIGNED).status_code == 404


def test_the_inbox_shows_it_and_a_button_answers(room: Room, asked: int):
    """Names from the stream are escaped; what asks nothing cannot be answered."""
    _, table = inbox_markup(room, View(status="any", entity="rig-9"))
    assert "new normal?" in table
    assert "<b>flow</b>" not in table
    done = act(room, {"id": asked, "what": "keep", "author": "Ann"})
    assert done.sentence == f"Alert {asked} goes on alarming for as long as it lasts, and is not learned."
    again = act(room, {"id": asked, "what": "accept", "author": "Ann"})
    assert again.refused
    assert "answered 'keep' before" in again.sentence


def test_the_command_line_lists_and_answers_it(engine: Engine, asked: int, monkeypatch: pytest.MonkeyPatch):
    """As text and as JSON."""
    monkeypatch.setenv("LATENTWATCH_DATABASE", str(engine.url))
    run = CliRunner()
    assert "new normal? <b>flow</b>" in run.invoke(app, ["alerts", "list"], terminal_width=400).stdout.replace("\n", "")
    found = json.loads(run.invoke(app, ["alerts", "list", "--json"]).stdout)
    assert next(each for each in found if each["id"] == asked)["step"]["moved"][0]["now"] == 12.5
    kept = run.invoke(app, ["alerts", "keep", str(asked), "--author", "Ann"])
    assert (kept.exit_code, kept.stdout) == (
        0,
        f"alert {asked}: goes on alarming for as long as it lasts, and is not learned\n",
    )
