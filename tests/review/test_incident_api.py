"""Incidents and many alerts at once, by HTTP and by the command line."""

import json

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.cli import app
from latentwatch.domain.errors import InvalidInput

SIGNED = {"author": "Ann"}


def test_incidents_are_listed_acted_on_and_taken_back(client: TestClient):
    """Every alert is in one; what is done to an incident is done to all its alerts, and undone by one request."""
    page = client.get("/api/incidents").json()
    assert page["total"] == len(page["incidents"]) >= 1
    listed = {alert["id"] for one in page["incidents"] for alert in one["alerts"]}
    assert listed == {alert["id"] for alert in client.get("/api/alerts?limit=200").json()["alerts"]}
    one = page["incidents"][0]
    done = client.post(
        f"/api/incidents/{one['id']}/actions", json=SIGNED | {"action": "true", "cause": "outage"}
    ).json()
    assert done["changed"] == sorted(alert["id"] for alert in one["alerts"])
    assert client.get(f"/api/incidents/{one['id']}").json()["verdict"] == "true"
    undone = client.post(f"/api/bulk-actions/{done['undo']}/undo", json=SIGNED)
    assert undone.status_code == 200
    assert client.get(f"/api/incidents/{one['id']}").json() == one
    assert client.post(f"/api/bulk-actions/{done['undo']}/undo", json=SIGNED).status_code == 422


def test_many_alerts_by_number_or_by_filter(client: TestClient):
    """In one request; an empty filter, both or neither are refused in words."""
    alerts = [alert["id"] for alert in client.get("/api/alerts?status=open").json()["alerts"]]
    done = client.post("/api/alerts/bulk", json=SIGNED | {"action": "acknowledge", "ids": alerts[:1]}).json()
    assert done["changed"] == alerts[:1]
    wanted = {"monitor": "pump", "status": ["open"]}
    done = client.post("/api/alerts/bulk", json=SIGNED | {"action": "close", "filter": wanted}).json()
    assert done["changed"] == sorted(alerts[1:])
    for body, word in (({"filter": {}}, "narrow it"), ({}, "either"), ({"filter": wanted, "ids": [1]}, "either")):
        answer = client.post("/api/alerts/bulk", json=SIGNED | {"action": "close"} | body)
        assert answer.status_code == 422
        assert word in str(answer.json()["detail"])
    nothing = client.post("/api/alerts/bulk", json=SIGNED | {"action": "close", "filter": {"monitor": "nobody"}})
    assert nothing.status_code == 422


def test_incidents_are_merged_and_split(client: TestClient):
    """The answer is the incident as it is now."""
    numbers = [one["id"] for one in client.get("/api/incidents").json()["incidents"]]
    whole = client.post("/api/incidents/merge", json=SIGNED | {"incidents": numbers}).json()
    assert whole["id"] == min(numbers)
    last = whole["alerts"][-1]["id"]
    part = client.post(f"/api/incidents/{whole['id']}/split", json=SIGNED | {"alerts": [last]}).json()
    assert [alert["id"] for alert in part["alerts"]] == [last]
    assert client.get("/api/incidents/999999").status_code == 404


def test_the_command_line_does_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    """List, show, label and undo."""
    monkeypatch.setenv("LATENTWATCH_DATABASE", engine.url.render_as_string(hide_password=False))

    def run(*words: str, of: str = "incidents") -> str:
        result = CliRunner().invoke(app, [of, *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    listed = json.loads(run("list", "--json"))
    number = listed[0]["id"]
    assert json.loads(run("show", str(number), "--json"))["count"] == listed[0]["count"]
    said = run("label", str(number), "true", "--author", "Ann", "--cause", "outage")
    action = said.split("undo ")[1].split("'")[0]
    assert "labelled true" in said
    assert "as before" in run("undo", action, "--author", "Ann")
    assert json.loads(run("list", "--json")) == listed
    snoozed = run("snooze", "1", "--for", "4h", of="alerts")
    assert "alert 1: snoozed until" in snoozed
    assert "as before" in run("undo", snoozed.split("undo ")[1].split("'")[0], of="alerts")
    assert "alerts 1, 2: assigned to Ada" in run("assign", "1", "2", "--to", "Ada", of="alerts")
    assert run("comment", "1", "a new valve", of="alerts").strip() == "alert 1: commented"
    with pytest.raises(InvalidInput, match="--for"):
        run("snooze", "1", "--for", "soon", of="alerts")


def test_snooze_assign_comment(client: TestClient):
    """One alert by its own address, many by the action; the incident tells it as one event each."""
    alert = client.get("/api/alerts").json()["alerts"][0]["id"]
    until = "2100-01-01T08:00:00Z"
    done = client.post(f"/api/alerts/{alert}/snooze", json=SIGNED | {"until": until, "note": "known"}).json()
    assert done["changed"] == [alert]
    shown = client.get(f"/api/alerts/{alert}").json()["alert"]
    assert (shown["status"], shown["snoozed_until"], shown["assignee"]) == ("snoozed", until, "")
    assert client.get("/api/alerts", params={"status": "snoozed"}).json()["total"] == 1
    assert client.post(f"/api/alerts/{alert}/assign", json=SIGNED | {"assignee": "Bo"}).status_code == 200
    assert client.get("/api/incidents", params={"assignee": "Bo"}).json()["incidents"][0]["assignees"] == ["Bo"]
    said = client.post(f"/api/alerts/{alert}/comments", json=SIGNED | {"note": "valve swapped"})
    assert (said.status_code, said.json()) == (201, {"undo": None, "changed": [alert]})
    incident = client.get("/api/incidents", params={"assignee": "Bo"}).json()["incidents"][0]["id"]
    events = client.get(f"/api/incidents/{incident}/events").json()
    assert [each["kind"] for each in events if each["author"]][-3:] == ["snoozed", "assigned", "commented"]
    both = {"action": "assign", "assignee": "Cy"}
    assert client.post(f"/api/incidents/{incident}/actions", json=SIGNED | both).json()["changed"]
    for path, body in (
        (f"/api/alerts/{alert}/snooze", {"until": "2000-01-01T00:00:00Z"}),
        (f"/api/alerts/{alert}/comments", {"note": ""}),
        (f"/api/alerts/{alert}/comments", {"note": " "}),
        (f"/api/alerts/{alert}/assign", {}),
    ):
        assert client.post(path, json=SIGNED | body).status_code == 422, path
    assert client.post("/api/alerts/999999/snooze", json=SIGNED).status_code == 404
    assert client.get("/api/incidents/999999/events").status_code == 404
