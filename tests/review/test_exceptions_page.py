"""Exceptions on pages and by the API: proposed from alerts, made, listed and taken back; what browsers send stays text."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from latentwatch.alerts.exceptions import add_exception, exceptions
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.interface import Detector
from latentwatch.domain.alert import Alert, Verdict
from latentwatch.domain.exceptions import Exceptions, InForce, NormalLevel, NormalValue
from latentwatch.domain.outcome import OffsetMove, Outcome
from latentwatch.domain.rules import Grounds
from latentwatch.review.exception_actions import make_exception, proposed, take_back
from latentwatch.review.pages.exceptions import exceptions_markup
from latentwatch.review.replay import replay
from latentwatch.review.room import Room
from latentwatch.review.templating import render
from latentwatch.streams.outcomes import Scored, Serving, describe, flagged_rows
from tests.review.shop import SHOP, none, sales, sold_abroad, trained_shop
from tests.review.sketch import EVIL


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Knows four countries."""
    return trained_shop()


@pytest.fixture
def alerts(room: Room, detector: Detector) -> list[Alert]:
    """Alerts of six sales of a fifth country, each of its own."""
    return sold_abroad(room, detector)


def test_an_alert_offers_what_would_cover_it_and_those_like_it(room: Room, alerts: list[Alert]) -> None:
    """One press makes it; the alert is a false alarm by that; it is listed with a way back, all as text."""
    found = proposed(room, alerts[0])
    best = found.proposals[0]
    assert isinstance(best.form, NormalValue)
    assert (best.preview.alerts_covered, best.preview.alerts_like) == (6, 6)
    shown = render("proposals.html", asked=True, found=found, lasting=())
    assert "6 of 6 alerts like it" in shown
    assert EVIL not in shown
    done = make_exception(room, alerts[0], {"proposal": best.id, "author": "ada", "lasting": "7d"})
    assert not done.refused
    (made,) = exceptions(room.engine, SHOP.name)
    assert made.until is not None
    assert inbox(room.engine, AlertFilter(monitor=SHOP.name, verdict=Verdict.FALSE)).alerts[0].id == alerts[0].id
    listed = exceptions_markup(room, removed=False)
    assert 'data-emit="unexcept"' in listed
    assert EVIL not in listed
    assert not take_back(room, {"id": str(made.id), "monitor": SHOP.name, "author": "ben"}).refused
    assert "Nothing is excepted." in exceptions_markup(room, removed=False)
    assert "taken back" in exceptions_markup(room, removed=True)


def test_what_would_cover_a_confirmed_anomaly_comes_last_and_is_refused(room: Room, alerts: list[Alert]) -> None:
    """It is shown without a button, and names the alert; by the API as well."""
    before = proposed(room, alerts[0]).proposals[0].id
    label(room.engine, alerts[3].id, Verdict.TRUE, "ada", clock=room.clock)
    found = proposed(room, alerts[0])
    lost = [bool(each.preview.confirmed) for each in found.proposals]
    assert lost == sorted(lost)
    assert lost[-1]
    shown = render("proposals.html", asked=True, found=found, lasting=())
    assert f"/alerts/{alerts[3].id}" in shown
    done = make_exception(room, alerts[0], {"proposal": before})
    assert done.refused
    assert str(alerts[3].id) in done.sentence


@pytest.mark.parametrize("said", [None, 7, {}, {"proposal": "p0"}, {"proposal": "p0", "lasting": "soon"}, {"id": "x"}])
def test_what_makes_no_sense_is_refused_in_words(room: Room, alerts: list[Alert], said: Any) -> None:
    """Whatever a browser sends; nothing is written."""
    assert make_exception(room, alerts[0], said).refused
    assert take_back(room, said).refused
    assert exceptions(room.engine, SHOP.name, removed=True) == []


def test_an_alert_that_grew_makes_its_proposals_stale(room: Room, alerts: list[Alert], detector: Detector) -> None:
    """An id holds until its alerts change."""
    best = proposed(room, alerts[0]).proposals[0].id
    store, batch = AlertStore(room.engine, SHOP.name, room.clock), sales(6, 1, EVIL)
    serving = Serving.of(room.bundle_cache.detector(ModelRegistry(room.engine).champion(SHOP.name).bundle), 1, SHOP)
    row = int(alerts[0].entity.split("-")[1])
    again = batch.take(np.array([row]))
    scored = Scored(again, serving.detector.score(again, none(again)), none(again))
    (told,) = describe(scored, serving)
    moved = replace(told, position=told.position._replace(offset=6))
    store.commit(Outcome(SHOP.name, batch.source, (OffsetMove(0, 6, 7),), flagged=(moved,)))
    done = make_exception(room, alerts[0], {"proposal": best})
    assert done.refused
    assert "have changed" in done.sentence


def test_the_api_does_what_the_command_line_does(
    room: Room, alerts: list[Alert], client_of: Callable[..., TestClient], engine: Engine
) -> None:
    """Proposed, made, listed, taken back."""
    client, address = client_of(engine), "/api/monitors/shop/exceptions"
    found = client.post(f"{address}/proposals", json={"alerts": [each.id for each in alerts]}).json()
    assert found[0]["given_covered"] == 6
    assert found[0]["confirmed_lost"] == 0
    made = client.post(address, json={"proposal": found[0]["id"], "author": "ada", "note": "new market"})
    assert made.status_code == 201
    assert made.json()["form"]["form"] == "value"
    assert [each["id"] for each in client.get(address).json()] == [made.json()["id"]]
    gone = client.post(f"{address}/{made.json()['id']}/remove", json={"author": "ada"})
    assert gone.json()["removed_by"] == "ada"
    assert client.get(address).json() == []
    assert client.post(address, json={"proposal": "p0", "author": "ada"}).status_code == 404
    assert client.post(f"{address}/proposals", json={"alerts": []}).status_code == 422
    assert client.post(f"{address}/proposals", json={"alerts": [10**9]}).status_code == 404
    assert client.get("/api/monitors/nobody/exceptions").status_code == 404


def test_a_record_read_otherwise_replays_as_it_was_read(detector: Detector) -> None:
    """Its values are stored as they came, and what it was read as beside them; the bundle alone gives the stored score."""
    level = NormalLevel(feature="amount", shift=50.0, since=datetime(2020, 1, 1, tzinfo=UTC))
    made = Exceptions((InForce(1, level), InForce(2, NormalValue(feature="country", value="NG"))))
    serving = Serving.of(detector, 1, SHOP, made)
    batch = sales(40, 3, "NG")
    batch = replace(batch, numbers=batch.numbers * np.array([20.0, 1.0], np.float32))
    scored = Scored(batch, serving.detector.score(batch, none(batch)), none(batch))
    rows = flagged_rows(scored, serving)
    assert len(rows) > 30
    for told in describe(scored.take(rows), serving):
        assert told.grounds.discounted == ("country",)
        assert told.grounds.read_as["amount"] == pytest.approx(told.values["amount"] - 50.0, rel=1e-5)
        assert replay(detector, told).agrees
        assert "read with amount as" in " ".join(told.grounds.in_words)
        assert Grounds.from_json(told.grounds.to_json()) == told.grounds


def test_one_of_nothing_is_listed_as_such(empty_room: Room) -> None:
    """Without monitors, and with an exception of a monitor that nobody trained."""
    assert "Nothing is excepted." in exceptions_markup(empty_room, removed=False)
    register_monitor(empty_room.engine, SHOP, empty_room.clock)
    add_exception(empty_room.engine, SHOP.name, NormalValue(feature="country", value="NG"), author="ada")
    assert "country NG is normal" in exceptions_markup(empty_room, removed=False)
