"""The JSON API: what it answers, what it refuses, and that labels land."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from latentwatch.alerts import reviewing
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.domain.model import Judgement
from tests.review.sketch import BUNDLE, EVALUATION, EVIL


def test_monitors_say_what_they_are_doing(client: TestClient):
    """The overview's numbers are those that the scorer and its counts left."""
    (pump,) = client.get("/api/monitors").json()
    assert pump["name"] == "pump"
    assert pump["state"] == "scoring"
    assert (pump["lag"], pump["records_per_second"], pump["records"]) == (42, 60.0, 7200)
    assert pump["model_version"] == 1
    assert sum(pump["open_alerts"].values()) == 3
    assert pump["false_alarms_day"]["scored"] == 7200
    assert pump["false_alarms_day"]["episodes"] == 3
    assert pump["dead_letters_day"] == 1


@pytest.mark.parametrize("path", ["/api", "/api/docs", "/api/monitors/pump/nothing"])
def test_an_address_without_an_answer_is_refused_in_json(client: TestClient, path: str):
    """A program that asks for what is not there is told where it is described."""
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 404
        assert "/api/openapi.json" in answer.json()["detail"]


def test_a_silence_is_tried_added_listed_and_taken_back(client: TestClient):
    """With what it would have hidden, and in the monitor's own clock; a monitor that is not there is refused."""
    said = {"monitor": "pump", "entity": "rig-*", "weekly": "sun 2:00-4:00", "reason": "backup", "author": "ada"}
    preview = client.post("/api/silences/preview", json=said).json()
    assert (preview["entities"], preview["entities_known"], len(preview["windows"])) == (1, 2, 3)
    assert client.get("/api/silences").json() == []
    added = client.post("/api/silences", json=said)
    assert added.status_code == 201
    assert (added.json()["weekly"], added.json()["timezone"]) == ("Sun 02:00-04:00", "UTC")
    (listed,) = client.get("/api/silences?monitor=pump").json()
    assert (listed["silence"], listed["hidden_alerts"]) == (added.json(), 0)
    number = added.json()["id"]
    assert client.post(f"/api/silences/{number}/remove", json={"author": "ben"}).json()["removed"]
    assert client.get("/api/silences").json() == []
    assert [each["state"] for each in client.get("/api/silences?finished=true").json()] == ["removed"]
    assert client.post("/api/silences", json=said | {"monitor": "none"}).status_code == 422
    assert client.post("/api/silences", json=said | {"start": "0001-01-01T00:00Z"}).status_code == 422


@pytest.mark.parametrize("path", [f"alerts/{10**30}", f"monitors/pump/map?version={10**30}"])
def test_what_no_database_can_hold_is_refused(client: TestClient, path: str):
    """A number out of every range is the caller's mistake, not a failure of ours."""
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 422
    assert "less than or equal to" in str(answer.json()["detail"])


ODD = (
    *("", "0", "-1", "1e999", "NaN", "inf", str(10**30), str(2**63), "²", "a\0b", "😀" * 100, "x" * 5000, "%s", "[]"),
    *("0001-01-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00", "253402300800", "99999999999999d", "1e308d"),
)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("alerts", "monitor entity status severity verdict since until silence order limit offset"),
        ("monitors/pump/entities", "limit"),
        ("monitors/pump/trace", "entity limit after"),
        ("monitors/pump/models", "limit"),
        ("monitors/pump/map", "version"),
        ("monitors/pump/dead-letters", "limit offset"),
    ],
)
def test_odd_parameters_are_answered_or_refused(client: TestClient, path: str, names: str):
    """Whatever a parameter holds, the answer is the caller's to read, not a failure of ours."""
    for name in names.split():
        for value in ODD:
            assert client.get(f"/api/{path}", params={name: value}).status_code in (200, 404, 422), (name, value)


def test_entities_and_trace(client: TestClient):
    """Entities come by name, and a trace in time order, as long as was asked for, and only later than asked."""
    names = [one["entity"] for one in client.get("/api/monitors/pump/entities").json()]
    assert names == sorted(["rig-a", EVIL])
    points = client.get("/api/monitors/pump/trace", params={"entity": "rig-a", "limit": 50}).json()
    assert len(points) == 50
    assert [point["time"] for point in points] == sorted(point["time"] for point in points)
    later = client.get("/api/monitors/pump/trace", params={"entity": "rig-a", "after": points[39]["time"]}).json()
    assert later == points[40:]


def test_alerts_by_filter(client: TestClient):
    """Every filter narrows, and they narrow together."""

    def ids(**params: str) -> list[int]:
        return [alert["id"] for alert in client.get("/api/alerts", params=params).json()["alerts"]]

    assert ids() == [3, 2, 1]
    assert ids(order="severity")[0] == 3
    assert ids(entity="rig-a") == [3, 1]
    assert ids(entity=EVIL) == [2]
    assert ids(severity="critical") == [3]
    assert ids(status="closed") == []
    assert ids(monitor="other") == []
    assert ids(verdict="none") == [3, 2, 1]
    assert ids(since="2026-03-01T11:00:00Z") == [3]
    assert ids(until="2026-03-01T10:15:00Z") == [1]
    assert ids(entity="rig-a", severity="critical") == [3]


def test_alerts_page_by_page(client: TestClient):
    """Pages follow each other without overlap, and each says how many there are in all."""
    pages = [client.get("/api/alerts", params={"limit": 2, "offset": offset}).json() for offset in (0, 2)]
    assert [alert["id"] for page in pages for alert in page["alerts"]] == [3, 2, 1]
    assert [page["total"] for page in pages] == [3, 3]


def test_alert_detail_explains(client: TestClient):
    """An alert brings its strangest record, contributions, neighbours, trace, history and earlier alerts."""
    detail = client.get("/api/alerts/3").json()
    assert detail["alert"]["records"] == 20
    peak = detail["peak"]
    assert peak["surprise"] == 6.0
    assert sum(peak["contributions"].values()) == pytest.approx(peak["surprise"])
    assert sum(peak["components"].values()) == pytest.approx(peak["surprise"])
    assert peak["expected"]["flow"] == 120.0
    assert peak["neighbours"][0]["distance"] == 0.7
    assert peak["context"] == "AAAAAAAAAAA="
    assert [one["alert"]["id"] for one in detail["previous"]] == [1]
    times = [point["time"] for point in detail["trace"]]
    assert times == sorted(set(times))
    assert sum(point["flagged"] for point in detail["trace"]) == 20


def test_a_label_lands_in_the_database(client: TestClient, engine: Engine):
    """POST writes the label with author, cause and note, closes the alert, and leaves the interval out of training."""
    given = {"verdict": "true", "author": "Ada", "cause": "valve", "note": "replaced <b>it</b>"}
    answer = client.post("/api/alerts/3/labels", json=given)
    assert answer.status_code == 201
    with engine.connect() as connection:
        row = connection.execute(text("SELECT verdict, author, cause, note FROM labels WHERE alert_id = 3")).one()
    assert tuple(row) == ("true", "Ada", "valve", "replaced <b>it</b>")
    alert = client.get("/api/alerts/3").json()
    assert (alert["alert"]["status"], alert["alert"]["verdict"]) == ("closed", "true")
    assert "rig-a" in {one.entity for one in reviewing.excluded_intervals(engine, "pump")}
    later = client.get("/api/alerts/1").json()
    assert later["previous"] == []


def test_acknowledge_close_reopen(client: TestClient):
    """An alert goes through people's hands and remembers who did what."""
    for action, status in (("acknowledge", "acknowledged"), ("close", "closed"), ("reopen", "open")):
        assert client.post(f"/api/alerts/1/{action}", json={"author": "Bo"}).json() == {"id": 1, "status": status}
    kinds = [(event["kind"], event["author"]) for event in client.get("/api/alerts/1").json()["events"]]
    assert kinds[-3:] == [("acknowledged", "Bo"), ("closed", "Bo"), ("reopened", "Bo")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/alerts/1/labels", {"verdict": "perhaps", "author": "Ada"}),
        ("/api/alerts/1/labels", {"verdict": "true", "author": ""}),
        ("/api/alerts/1/labels", {"verdict": "true", "author": "Ada", "note": "x" * 4001}),
        ("/api/alerts/1/labels", {"verdict": "true", "author": "Ada", "admin": True}),
        ("/api/alerts/1/acknowledge", {}),
    ],
)
def test_bad_bodies_are_refused(client: TestClient, engine: Engine, path: str, body: dict[str, object]):
    """What does not fit the schema changes nothing and answers 422."""
    assert client.post(path, json=body).status_code == 422
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM labels")).scalar_one() == 0
        assert connection.execute(text("SELECT status FROM alerts WHERE id = 1")).scalar_one() == "open"


@pytest.mark.parametrize(
    "path", ["/api/alerts/99", "/api/monitors/nope/trace", "/api/monitors/nope/models", "/api/monitors/nope/map"]
)
def test_what_is_not_there_answers_404(client: TestClient, path: str):
    """A sentence says what is missing."""
    answer = client.get(path)
    assert answer.status_code == 404
    assert "99" in answer.json()["detail"] or "nope" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/alerts?limit=201",
        "/api/alerts?offset=10001",
        "/api/monitors/pump/trace?limit=2001",
        "/api/monitors/pump/entities?limit=501",
        "/api/monitors/pump/dead-letters?limit=1000",
    ],
)
def test_every_answer_is_bounded(client: TestClient, path: str):
    """Nobody can ask for more than a page."""
    assert client.get(path).status_code == 422


def test_models_and_map(client: TestClient):
    """Versions come with evaluation and reasons; a bundle that is gone is a sentence, and the points are still there."""
    (version,) = client.get("/api/monitors/pump/models").json()
    assert (version["status"], version["bundle"]) == ("champion", BUNDLE)
    assert version["evaluation"]["faults_found"] == 20
    assert version["reasons"][0] == "It keeps its promise."
    drawn = client.get("/api/monitors/pump/map").json()
    assert drawn["ground"] is None
    assert BUNDLE[:8] in drawn["problem"]
    assert len(drawn["points"]) == 22


def test_roll_back(client: TestClient, engine: Engine):
    """Without an earlier champion it is refused; with one, that one serves again and the reason is kept."""
    refused = client.post("/api/monitors/pump/models/rollback", json={"author": "Ada"})
    assert refused.status_code == 422
    registry = ModelRegistry(engine)
    registry.register("pump", "c" * 64, "denoising", 1, None, None, EVALUATION)
    registry.judge("pump", 2, Judgement(True, ("better",)))
    back = client.post("/api/monitors/pump/models/rollback", json={"author": "Ada", "note": "too loud"})
    assert back.json()["version"] == 1
    champion = registry.champion("pump")
    assert champion is not None
    assert champion.version == 1


def test_promote_and_restore(client: TestClient, engine: Engine):
    """A version serves because somebody says so, a refusal is taken back, and what cannot be done is 422 or 404."""
    registry = ModelRegistry(engine)
    registry.register("pump", "c" * 64, "denoising", 1, None, None, EVALUATION)
    promoted = client.post("/api/monitors/pump/models/2/promote", json={"author": "Ada"})
    assert (promoted.json()["version"], promoted.json()["status"]) == (2, "champion")
    assert client.post("/api/monitors/pump/models/2/restore", json={"author": "Ada"}).status_code == 422
    registry.refuse("pump", 2, "changed")
    assert client.post("/api/monitors/pump/models/2/promote", json={"author": "Ada"}).status_code == 422
    restored = client.post("/api/monitors/pump/models/2/restore", json={"author": "Ada", "note": "copied back"})
    assert restored.json()["status"] == "retired"
    assert client.post("/api/monitors/pump/models/9/promote", json={"author": "Ada"}).status_code == 404
    champion = registry.champion("pump")
    assert champion is not None
    assert champion.version == 1


def test_dead_letters(client: TestClient):
    """Reason and the payload's beginning are there."""
    page = client.get("/api/monitors/pump/dead-letters").json()
    assert page["letters"][0]["reason"] == "field 'flow': 'fast' is not a number"
    assert page["more"] is False


def test_messages_are_all_accounted_for(client: TestClient):
    """What became of each, and their sum."""
    found = client.get("/api/monitors/pump/messages").json()
    assert found["read"] == found["scored"] + found["aligned"] + found["passed"] + found["dead"] > 0
    assert client.get("/api/monitors/nobody/messages").status_code == 404


def test_openapi_covers_every_route(client: TestClient):
    """Programs can discover everything, and nothing of the pages' inner workings."""
    paths = client.get("/api/openapi.json").json()["paths"]
    assert all(path.startswith("/api/") for path in paths)
    assert {"/api/monitors", "/api/alerts", "/api/alerts/{alert}/labels", "/api/healthz"} <= set(paths)


def test_health_tells_when_the_database_is_away(client_of: Callable[..., TestClient], empty_engine: Engine):
    """200 while it answers, 503 with a reason and a hint to retry when its tables are gone."""
    client = client_of(empty_engine)
    assert client.get("/api/healthz").json() == {"status": "ok"}
    with empty_engine.begin() as connection:
        connection.execute(text("DROP TABLE alert_events"))
        connection.execute(text("DROP TABLE labels"))
        connection.execute(text("DROP TABLE kept_traces"))
        connection.execute(text("DROP TABLE notifications"))
        connection.execute(text("DROP TABLE flagged_records"))
        connection.execute(text("DROP TABLE alerts"))
    answer = client.get("/api/healthz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert "no tables yet" in answer.json()["detail"]
