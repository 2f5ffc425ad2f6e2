"""The inbox by kind: what is new, what came back and what was always false, on the page, by HTTP and on the command line."""

import json
from collections.abc import Mapping

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.reading import alert_detail
from latentwatch.cli import app
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.review.filters import View
from latentwatch.review.likeness import Likenesses, false_alike
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.room import Room
from tests.review.past_alerts import Past

BEARING: Mapping[str, float] = {"vibration": 2.5, "temperature": 1.0}
LEAK: Mapping[str, float] = {"flow": 2.0, "pressure": 1.5}


@pytest.fixture
def past(engine: Engine, clock: ManualClock) -> Past:
    """Nine false alarms alike, another that was real and closed, then one more of each and one of neither."""
    past = Past(engine, clock)
    for _ in range(9):
        past.say(past.alert(BEARING), Verdict.FALSE)
    past.say(past.alert(LEAK), Verdict.TRUE, "leak")
    return past


def test_the_inbox_says_what_is_known_of_each_kind(past: Past, room: Room) -> None:
    """The question is a link to what could be excepted; what came back is said; of the first of its kind nothing."""
    false, back, first = past.alert(BEARING), past.alert(LEAK), past.alert({"level": 1.0})
    head, table = inbox_markup(room, View(monitor="mill", order="likeness"))
    assert "those of one kind together" in head
    assert f'<a href="/alerts/{false}?excepting=1">9 alike, all false: an exception?</a>' in table
    assert '<span class="sub kind">came back</span>' in table
    rows = [table.index(f'data-href="/alerts/{number}"') for number in (first, back, false)]
    assert rows == sorted(rows)
    assert table.count('class="sub kind"') == 2


def test_programs_order_by_kind_and_read_what_is_known(past: Past, client: TestClient) -> None:
    """Alerts and incidents."""
    back = past.alert(LEAK)
    page = client.get("/api/alerts?monitor=mill&status=open&order=likeness").json()
    assert [each["id"] for each in page["alerts"]] == [back]
    assert page["kinds"] == {
        str(back): {
            "alike": 1, "earlier": 1, "judged": 1, "false": 0, "new_kind": False, "came_back": True, "in_words": "came back",
        }
    }  # fmt: skip
    incidents = client.get("/api/incidents?monitor=mill&status=open&order=likeness").json()
    assert [each["id"] for each in incidents["incidents"]] == [int(number) for number in incidents["kinds"]]


def test_an_exception_is_proposed_for_all_that_were_false(past: Past, engine: Engine) -> None:
    """Not for those that nobody judged, nor for what is not alike."""
    past.alert(BEARING)
    found = alert_detail(engine, past.alert(BEARING))
    assert found is not None
    beside = false_alike(engine, Likenesses(), found.alert)
    assert len(beside) == 9
    told = [alert_detail(engine, number) for number in beside]
    assert {one.alert.verdict for one in told if one} == {Verdict.FALSE}


def test_the_command_line_lists_by_kind(past: Past, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a column of its own, and for scripts."""
    false = past.alert(BEARING)
    monkeypatch.setenv("LATENTWATCH_DATABASE", engine.url.render_as_string(hide_password=False))
    asked = ["alerts", "list", "--monitor", "mill", "--status", "open", "--order", "likeness"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    assert [(one["id"], one["kind_in_words"]) for one in json.loads(done.output)] == [
        (false, "9 alike, all false: an exception?")
    ]
    shown = CliRunner().invoke(app, asked)
    assert "seen before" in shown.output
