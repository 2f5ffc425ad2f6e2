"""Seen before: alerts of any entity that were about the same, what people said of them, and nothing made up."""

from collections.abc import Mapping

import numpy as np
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.reading.kinds import recurrences_of
from latentwatch.cli import app
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.review.likeness import Likenesses, looks_tell, seen_before
from latentwatch.review.room import Room
from latentwatch.review.templating import render
from tests.review.past_alerts import Past
from tests.review.sketch import EVIL

BEARING: Mapping[str, float] = {"vibration": 2.5, "temperature": 1.0}
LEAK: Mapping[str, float] = {"flow": 2.0, "pressure": 1.5}


@pytest.fixture
def past(engine: Engine, clock: ManualClock) -> Past:
    """Nothing yet."""
    return Past(engine, clock)


def test_alerts_about_the_same_are_found_and_their_cause_is_suggested(past: Past, client: TestClient) -> None:
    """Of other entities, the most alike first; what was about other features is not among them."""
    first, other, second = past.alert(BEARING), past.alert(LEAK), past.alert({"vibration": 2.4, "temperature": 1.2})
    for alert in (first, second):
        past.say(alert, Verdict.TRUE, "bearing")
    past.say(other, Verdict.TRUE, "leak")
    now = past.alert(BEARING)
    found = client.get(f"/api/alerts/{now}/similar").json()
    assert [each["alert"]["id"] for each in found["similar"]] == [first, second]
    assert found["similar"][0]["likeness"] == pytest.approx(1, abs=1e-4)
    assert found["similar"][0]["in_words"] == "nearly the same"
    assert (found["cause"], found["in_words"]) == ("bearing", "2 of 2 like it were bearing.")


def test_where_looks_do_not_tell_causes_none_is_suggested(past: Past, engine: Engine) -> None:
    """Leaks look the same and had three causes: two bearings that agree are no suggestion either, and it is said why."""
    for number in range(6):
        past.say(past.alert(LEAK), Verdict.TRUE, ("worn", "bent", "loose")[number % 3])
    for _ in range(2):
        past.say(past.alert(BEARING), Verdict.TRUE, "bent")
    found = seen_before(engine, Likenesses(), past.alert(BEARING))
    assert len(found.similar) == 2
    assert found.cause == ""
    assert found.in_words.endswith("No cause is suggested: alerts that looked the same often had different ones here.")
    told = looks_tell(np.eye(2, dtype=np.float32)[[0, 0, 1, 1, 0, 1]], ["a", "a", "b", "b", "a", "b"], [None] * 6)
    assert told
    assert not looks_tell(np.ones((6, 1), np.float32), list("abcabc"), [None] * 6)
    assert looks_tell(np.ones((6, 1), np.float32), list("abcabc"), [1] * 6)


def test_where_nothing_is_like_it_that_is_said(past: Past, client: TestClient) -> None:
    """The first of its kind has no neighbours, and an alert that is none is not found."""
    past.alert(LEAK)
    now = past.alert(BEARING)
    found = client.get(f"/api/alerts/{now}/similar").json()
    assert found == {"alert": now, "similar": [], "cause": "", "in_words": "Nothing like it so far."}
    assert client.get("/api/alerts/987654/similar").status_code == 404


def test_what_was_always_false_makes_an_exception_worth_asking_for(past: Past, engine: Engine) -> None:
    """Three alike, all false: no cause is suggested."""
    for alert in [past.alert(BEARING) for _ in range(3)]:
        past.say(alert, Verdict.FALSE)
    found = seen_before(engine, Likenesses(), past.alert(BEARING))
    assert found.cause == ""
    assert found.in_words == "All 3 like it that people judged were false alarms: an exception?"


def test_a_fingerprint_follows_the_alert_as_it_grows(past: Past, engine: Engine) -> None:
    """What came to be about a leak is like leaks, also where fingerprints were read before."""
    leak, now = past.alert(LEAK), past.alert({"vibration": 0.5})
    likenesses = Likenesses()
    assert not seen_before(engine, likenesses, now).similar
    past.alert({"flow": 40.0, "pressure": 30.0}, again=True)
    assert [each.alert.id for each in seen_before(engine, likenesses, now).similar] == [leak]


def test_the_page_shows_names_from_the_stream_as_text_and_takes_a_cause_over(past: Past, room: Room) -> None:
    """One button for the suggested cause."""
    first, now = past.alert({EVIL: 2.0}), past.alert({EVIL: 2.0})
    past.say(first, Verdict.TRUE, EVIL)
    shown = render("similar.html", found=seen_before(room.engine, room.likenesses, now))
    assert 'data-emit="alert-label"' in shown
    assert EVIL not in shown


def test_the_command_line_tells_the_same(past: Past, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence and a table."""
    first, now = past.alert(BEARING), past.alert(BEARING)
    past.say(first, Verdict.TRUE, "bearing")
    monkeypatch.setenv("LATENTWATCH_DATABASE", engine.url.render_as_string(hide_password=False))
    done = CliRunner().invoke(app, ["alerts", "similar", str(now)])
    assert done.exit_code == 0, done.output
    assert "1 of 1 like it was bearing." in done.output
    assert "vibration, temperature" in done.output


def test_the_page_and_the_list_count_alike(engine: Engine, past: Past) -> None:
    """Nine like it, all false: both say nine, though five are shown."""
    for _ in range(9):
        past.say(past.alert(BEARING), Verdict.FALSE)
    now = past.alert(BEARING)
    listed = recurrences_of(engine, [now], past.clock.now())[now]
    found = seen_before(engine, Likenesses(), now)
    assert len(found.similar) == 5
    assert (listed.alike, listed.false) == (9, 9)
    assert found.in_words == "All 9 like it that people judged were false alarms: an exception?"
