"""Two entities' normal, and two model versions on the same stretch: by HTTP, on the pages and on the command line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentwatch.alerts.database import open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import app
from latentwatch.detector.bundle import save_bundle
from latentwatch.detector.interface import Detector
from latentwatch.detector.training import learn
from latentwatch.domain.alert import Alert
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.record import Value, concatenate
from latentwatch.review.config import ReviewConfig
from latentwatch.review.pages.comparing_monitor import normals_markup, versions_markup
from latentwatch.review.room import Room
from latentwatch.review.versions_compared import compare_versions
from tests.alerts.build import at, outcome
from tests.review.scene import full_scene
from tests.review.shop import SHOP, sales, sold_abroad, trained_shop
from tests.review.sketch import EVIL

TILLS = SHOP.model_copy(update={"name": "tills"})
TRACED = 60
Sold = tuple[list[Alert], tuple[int, int]]


def _point(entity: str, number: int, values: dict[str, Value], *, flagged: bool = False) -> TracePoint:
    return TracePoint(entity, at(number), number, 0, 1.0, 0.5, 0.5, flagged, values)


@pytest.fixture
def tills(engine: Engine, clock: ManualClock) -> None:
    """One till sells more, and in other countries, than another; a third was heard of thrice; a fourth is the first one's twin."""
    register_monitor(engine, TILLS, clock)
    store = AlertStore(engine, TILLS.name, clock)
    store.claim("tills.csv", 0, 0)
    points = []
    for number in range(TRACED):
        tax, wobble = 4.0 + number % 3, number % 5
        points += [
            _point("till-1", number, {"amount": 20.0 + wobble, "tax": tax, "country": "DE"}),
            _point(EVIL, number, {"amount": 60.0 + wobble, "tax": tax, "country": ("FR", "DE")[number % 2]}),
            _point("twin", number, {"amount": 20.0 + wobble, "tax": tax, "country": "DE"}),
        ]
    points += [_point("till-9", number, {"amount": 1.0, "tax": 1.0, "country": "DE"}) for number in range(3)]
    points.append(_point("till-1", TRACED, {"amount": 9e9, "tax": 1.0, "country": "DE"}, flagged=True))
    store.commit(replace(outcome(0, 1), monitor=TILLS.name, source="tills.csv", trace=tuple(points)))


@pytest.mark.usefixtures("tills")
def test_what_two_entities_usually_show_is_told_apart(client: TestClient) -> None:
    """The number in its unit and by its spread, the word by its shares; what is flagged does not count as normal."""
    asked = {"first": "till-1", "second": EVIL}
    found = client.get("/api/monitors/tills/entities/compare", params=asked).json()
    assert found["records"] == [TRACED, TRACED]
    amount, tax = found["numbers"]
    assert (amount["feature"], amount["usual"], amount["is_apart"]) == ("amount", [22.0, 62.0], True)
    assert (tax["feature"], tax["apart"], tax["is_apart"]) == ("tax", 0.0, False)
    (country,) = found["words"]
    assert country["shares"]["DE"] == [1.0, 0.5]
    assert "amount is usually 62 instead of 22" in found["in_words"]
    assert "country is" in found["in_words"]
    turned = client.get("/api/monitors/tills/entities/compare", params={"first": EVIL, "second": "till-1"}).json()
    assert turned["numbers"][0]["apart"] == pytest.approx(-amount["apart"])
    twins = client.get("/api/monitors/tills/entities/compare", params={"first": "till-1", "second": "twin"}).json()
    assert "usually alike" in twins["in_words"]


@pytest.mark.usefixtures("tills")
def test_entities_that_cannot_be_compared_are_told_so(client: TestClient) -> None:
    """One and the same, one that nobody heard of, and one with three records."""
    for second, status, word in (("till-1", 422, "itself"), ("till-7", 404, "nothing was kept"), ("till-9", 422, "3 ")):
        answer = client.get("/api/monitors/tills/entities/compare", params={"first": "till-1", "second": second})
        assert answer.status_code == status
        assert word in answer.json()["detail"]


@pytest.mark.usefixtures("tills")
def test_the_page_of_two_entities_shows_names_as_text(room: Room) -> None:
    """With a sentence; without a choice the first two, and of a monitor without records why there is nothing."""
    shown = normals_markup(room, "tills", "till-1", EVIL)
    assert EVIL not in shown
    assert "instead of" in shown
    assert "Nothing to compare yet" in normals_markup(room, "tills", "till-1", "till-7")
    assert "It takes two entities" in normals_markup(room, "nothing", "", "")


@pytest.mark.usefixtures("tills")
def test_the_terminal_compares_entities(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence and a table."""
    monkeypatch.setenv("LATENTWATCH_DATABASE", engine.url.render_as_string(hide_password=False))
    done = CliRunner().invoke(app, ["monitors", "compare", "tills", "till-1", "twin"])
    assert done.exit_code == 0, done.output
    assert "usually alike" in done.output
    assert "country DE" in done.output


def _knows_five() -> Detector:
    history = concatenate([sales(2_000, 0), sales(1_000, 5, EVIL)])
    return learn(history.take(np.random.default_rng(0).permutation(len(history))), ModelChoice(kind="linear"), 1)


@pytest.fixture
def sold(room: Room) -> Sold:
    """Alerts of sales to a fifth country, and two versions: one that knows four, one that alarms at nothing of them."""
    knows_four = trained_shop()
    alerts = sold_abroad(room, knows_four)
    registry = ModelRegistry(room.engine, room.clock)
    five = _knows_five()
    later = registry.register(SHOP.name, save_bundle(five, room.bundles), five.kind, 3_000, None, None, None)
    return alerts, (1, later.version)


def test_what_each_version_would_have_raised_is_told(client: TestClient, sold: Sold, room: Room) -> None:
    """The one that knows four countries raises an alert of the fifth, with the surprise it had; the other one nothing."""
    alerts, (four, five) = sold
    asked = {"alert": alerts[0].id}
    found = client.get(f"/api/monitors/shop/models/{four}/compare/{five}", params=asked).json()
    assert found["first"]["flagged"] == len(found["first"]["raised"]) == 1
    assert found["first"]["raised"][0]["peak"] == pytest.approx(alerts[0].peak_surprise, abs=1e-3)
    assert found["second"]["raised"] == []
    assert "raised an alert" in found["first"]["in_words"]
    assert "raised nothing" in found["second"]["in_words"]
    turned = client.get(f"/api/monitors/shop/models/{five}/compare/{four}", params=asked).json()
    assert turned["second"] == found["first"]
    shown = versions_markup(room, "shop", (None, None), alerts[0].id, "")
    assert "raised an alert" in shown
    assert "raised nothing" in shown


def test_versions_that_cannot_be_compared_are_told_so(client: TestClient, sold: Sold, room: Room) -> None:
    """With itself, without a stretch, one that is none, another monitor's alert, an entity that nothing was kept of."""
    alerts, (four, five) = sold
    for path, asked, status in (
        (f"{four}/compare/{four}", {"alert": alerts[0].id}, 422),
        (f"{four}/compare/{five}", {}, 422),
        (f"{four}/compare/99", {"alert": alerts[0].id}, 404),
        (f"{four}/compare/{five}", {"alert": 987654}, 404),
        (f"{four}/compare/{five}", {"entity": "nobody"}, 404),
    ):
        assert client.get(f"/api/monitors/shop/models/{path}", params=asked).status_code == status
    assert "It takes two versions" in versions_markup(room, "nothing", (None, None), None, "")
    assert "has no alert" in versions_markup(room, "shop", (four, five), 987654, "")


def test_the_terminal_compares_versions(sold: Sold, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences, and which alerts there would have been."""
    alerts, (four, five) = sold
    monkeypatch.setenv("LATENTWATCH_DATABASE", room.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("LATENTWATCH_BUNDLES", room.bundles)
    done = CliRunner().invoke(app, ["models", "compare", "shop", str(four), str(five), "--alert", str(alerts[0].id)])
    assert done.exit_code == 0, done.output
    assert "raised an alert" in done.output
    assert "raised nothing" in done.output


@pytest.mark.slow
def test_the_versions_of_a_stream_are_compared_on_its_latest_records(tmp_path: Path) -> None:
    """Two versions with one bundle say the same, of an alert's records and of an entity's; the page draws both."""
    scene = full_scene(tmp_path)
    room = Room(open_database(scene.database), ReviewConfig(), scene.bundles, scene.clock)
    for stretch in (
        {"alert": inbox(room.engine, AlertFilter(monitor="plant"), limit=1).alerts[0].id},
        {"entity": "rig-1"},
    ):
        found = compare_versions(room.engine, room.bundle_cache.detector, "plant", (1, 2), **stretch)
        assert len(found.times) > 100
        assert replace(found.first, version=2) == found.second
    assert 'class="of-2"' in versions_markup(room, "plant", (1, 2), None, "rig-1")
    assert "usually" in normals_markup(room, "plant", "", "")
    room.engine.dispose()
