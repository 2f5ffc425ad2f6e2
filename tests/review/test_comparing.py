"""Two alerts side by side: aligned at onset, with what they share and how they differ, also where names mean harm."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.reading import incident_of_alert
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import app
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.outcome import StoppedSending
from latentwatch.domain.record import Position
from latentwatch.review.comparing import FeatureCompared
from latentwatch.review.pages.comparing import comparison_markup, incidents_markup
from latentwatch.review.pages.incident import like_markup
from latentwatch.review.room import Room
from tests.alerts.build import at, flagged, outcome
from tests.review.sketch import EVIL


@pytest.fixture
def alerts(engine: Engine, clock: ManualClock) -> list[int]:
    """A bearing's, the same again for longer and higher, and a leak, a day apart each."""
    store = AlertStore(engine, "mill", clock)
    store.claim("mill.csv", 0, 0)
    told = [
        (1, {"vibration": 3.0, EVIL: 1.0}, {"vibration": 2.7, EVIL: 50.0}),
        (5, {"vibration": 3.2, EVIL: 1.1}, {"vibration": 3.9, EVIL: 52.0}),
        (1, {"flow": 2.0}, {"flow": 10.0}),
    ]
    opened: list[int] = []
    offset = 0
    for day, (records, contributions, values) in enumerate(told):
        batch = []
        for number in range(records):
            record = flagged(offset, day * 86_400 + 30 * number, f"rig-{day}")
            reason = replace(
                record.explanation, contributions=contributions, expected={"vibration": 1.1, EVIL: 49.0, "flow": 20.0}
            )
            position = Position("mill.csv", 0, offset)
            batch.append(replace(record, position=position, explanation=reason, values={"mode": "auto", **values}))
            offset += 1
        done = store.commit(replace(outcome(offset - records, offset, batch), monitor="mill", source="mill.csv"))
        opened += done.alerts_opened
    return opened


def test_alike_ones_differ_by_how_far_and_how_long(alerts: list[int], client: TestClient, engine: Engine) -> None:
    """Likeness, shares that sum to one, the direction in units, and zero seconds at each onset."""
    label(engine, alerts[0], Verdict.TRUE, "Ann", "bearing")
    found = client.get(f"/api/alerts/{alerts[0]}/compare/{alerts[1]}").json()
    assert found["likeness"] > 0.99
    assert found["first"]["cause"] == "bearing"
    first = found["features"][0]
    assert first["feature"] == "vibration"
    assert first["direction"] == pytest.approx(1.2)
    for place in (0, 1):
        assert sum(each["shares"][place] for each in found["features"]) == pytest.approx(1)
    assert found["second"]["seconds"] == 120
    said = " ".join(found["in_words"])
    assert "nearly the same" in said
    assert f"Alert {alerts[1]} lasted 2 min" in said
    assert "vibration 1.2 higher" in said
    turned = client.get(f"/api/alerts/{alerts[1]}/compare/{alerts[0]}").json()
    assert turned["features"][0]["direction"] == pytest.approx(-1.2)


@pytest.mark.parametrize(("second", "apart"), [(36.22, False), (36.8, True)])
def test_what_differs_by_next_to_nothing_is_not_a_difference(second: float, apart: bool) -> None:
    """2.33 off and 2.31 off is alike; 2.33 and 2.89 is not."""
    bearing = FeatureCompared("bearing", "°C", (0.3, 0.4), (35.27, second), (32.94, 33.91), second - 33.91 - 2.33)
    assert bearing.is_apart is apart


def test_other_ones_share_nothing(alerts: list[int], client: TestClient) -> None:
    """Each says what it alone is about."""
    found = client.get(f"/api/alerts/{alerts[0]}/compare/{alerts[2]}").json()
    assert found["likeness"] == 0
    said = " ".join(found["in_words"])
    assert "not alike" in said
    assert f"Alert {alerts[2]} alone is about flow" in said


def test_what_cannot_be_compared_is_said(
    alerts: list[int], client: TestClient, engine: Engine, clock: ManualClock
) -> None:
    """None of that number, itself, and an entity that stopped sending."""
    assert client.get(f"/api/alerts/{alerts[0]}/compare/987654").status_code == 404
    assert "itself" in client.get(f"/api/alerts/{alerts[0]}/compare/{alerts[0]}").json()["detail"]
    store = AlertStore(engine, "quiet", clock)
    store.claim("quiet.csv", 0, 0)
    stop = StoppedSending("rig", 0, 3, at(0) - timedelta(days=1), 1, 3.0)
    done = store.commit(replace(outcome(0, 1), monitor="quiet", source="quiet.csv", stopped=(stop,)))
    answer = client.get(f"/api/alerts/{alerts[0]}/compare/{done.alerts_opened[0]}")
    assert answer.status_code == 422
    assert "no record to compare" in answer.json()["detail"]


def test_the_page_shows_names_as_text(alerts: list[int], room: Room) -> None:
    """Both alerts, their lines, and of incidents the strangest alert of each."""
    shown = comparison_markup(room, alerts[0], alerts[1])
    assert EVIL not in shown
    assert "What each was about" in shown
    assert "There is no alert" in comparison_markup(room, 1, 987654).replace("there is", "There is")
    assert "incident 987654" in incidents_markup(room, 987654, 1)


def test_an_incident_leads_to_the_one_most_like_it(alerts: list[int], room: Room) -> None:
    """The bearing's leads to the bearing's, side by side; the leak's to nothing."""
    numbers = [incident_of_alert(room.engine, alert) for alert in alerts]
    assert None not in numbers
    first, second, leak = (int(number or 0) for number in numbers)
    assert f'href="/compare/incidents/{first}/{second}"' in like_markup(room, first)
    assert "href" not in like_markup(room, leak)
    assert "href" not in like_markup(room, 987654)


def test_the_command_line_tells_the_same(alerts: list[int], engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences and a table."""
    monkeypatch.setenv("LATENTWATCH_DATABASE", engine.url.render_as_string(hide_password=False))
    done = CliRunner().invoke(app, ["alerts", "compare", str(alerts[0]), str(alerts[1])])
    assert done.exit_code == 0, done.output
    assert "nearly the same" in done.output
    assert "+1.2" in done.output
