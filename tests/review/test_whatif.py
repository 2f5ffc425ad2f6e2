"""What would calm an alert: by HTTP, of records that stand alone and of streams; what cannot change is left as it was."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from latentwatch.alerts.database import open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.alert import Alert
from latentwatch.domain.monitor import dump_monitor, parse_monitor
from latentwatch.domain.outcome import Outcome, StoppedSending
from latentwatch.review.room import Room
from latentwatch.review.whatif import WhatIf, what_would_calm
from tests.review.scene import PLANT, full_scene
from tests.review.shop import SHOP, sold_abroad, trained_shop
from tests.review.sketch import EVIL, NOW


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Knows four countries."""
    return trained_shop()


@pytest.fixture
def alerts(room: Room, detector: Detector) -> list[Alert]:
    """Alerts of six sales of a fifth country."""
    return sold_abroad(room, detector)


def test_a_word_that_was_never_seen_would_have_to_be_another(client: TestClient, alerts: list[Alert]) -> None:
    """One change, told in words, with the surprise before and after."""
    found = client.get(f"/api/alerts/{alerts[0].id}/whatif").json()
    assert found["calm"]
    assert found["after"] < found["threshold"] <= found["before"]
    (change,) = found["changes"]
    assert (change["feature"], change["actual"]) == ("country", EVIL)
    assert change["instead"] in {"DE", "FR", "NL", "PL"}
    assert found["in_words"].startswith(
        f"With country at {change['instead']} instead of {EVIL} there would have been no"
    )
    assert set(found["free"]) == {"amount", "tax"}
    assert len(found["times"]) == len(found["surprises_before"]) == len(found["surprises_after"]) == 1


def test_values_can_be_tried_by_hand(client: TestClient, alerts: list[Alert]) -> None:
    """A country that is known calms it; an absurd amount does not; nothing is stored of either."""
    where = f"/api/alerts/{alerts[0].id}/whatif"
    before = client.get(where).json()
    calm = client.post(where, json={"readings": {"country": "DE"}}).json()
    assert calm["calm"]
    assert calm["in_words"].startswith("No alert with country at DE")
    worse = client.post(where, json={"readings": {"country": "DE", "amount": 1e6}}).json()
    assert not worse["calm"]
    assert worse["in_words"].startswith("Still an alert with country at DE")
    assert client.get(where).json() == before


@pytest.mark.parametrize(
    ("readings", "word"),
    [({"price": 1.0}, "reads no feature 'price'"), ({"amount": "DE"}, "no value"), ({"country": 3.0}, "no value")],
)
def test_what_cannot_be_tried_is_refused_in_words(
    client: TestClient, alerts: list[Alert], readings: dict[str, object], word: str
) -> None:
    """Unknown features, and values of another kind."""
    answer = client.post(f"/api/alerts/{alerts[0].id}/whatif", json={"readings": readings})
    assert answer.status_code == 422
    assert word in answer.json()["detail"]


def test_what_the_monitor_calls_fixed_stays(client: TestClient, room: Room, alerts: list[Alert]) -> None:
    """It is not among the changes, and cannot be tried."""
    told = dump_monitor(SHOP).replace("country: category", "country: {type: category, fixed: true}")
    monitor = parse_monitor(told)
    assert monitor.record.feature("country").fixed
    assert monitor.record.fingerprint() == SHOP.record.fingerprint()
    register_monitor(room.engine, monitor, room.clock)
    where = f"/api/alerts/{alerts[0].id}/whatif"
    found = client.get(where).json()
    assert "country" not in [each["feature"] for each in found["changes"]]
    assert not found["calm"]
    assert "No few features explain this" in found["in_words"]
    refused = client.post(where, json={"readings": {"country": "DE"}})
    assert refused.status_code == 422
    assert "cannot change" in refused.json()["detail"]


def test_where_nothing_can_be_said_the_answer_says_why(client: TestClient, room: Room, alerts: list[Alert]) -> None:
    """No such alert, one without records, and a model that is gone."""
    assert client.get("/api/alerts/987654/whatif").status_code == 404
    store = AlertStore(room.engine, SHOP.name, room.clock)
    quiet = StoppedSending("till-7", 0, 5, NOW - timedelta(hours=1), 1, 3.0)
    (silent,) = store.commit(Outcome(SHOP.name, "x.csv", (), stopped=(quiet,))).alerts_opened
    answer = client.get(f"/api/alerts/{silent}/whatif")
    assert answer.status_code == 422
    assert "no record" in answer.json()["detail"]
    sketched = inbox(room.engine, AlertFilter(monitor="pump"), limit=1).alerts[0]
    assert client.get(f"/api/alerts/{sketched.id}/whatif").status_code == 409


@pytest.fixture(scope="module")
def of_a_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[WhatIf]]:
    """What would calm each alert of a plant, whose history is long enough to find most of its faults."""
    scene = full_scene(tmp_path_factory.mktemp("plant"), history=800)
    engine = open_database(scene.database)
    found = inbox(engine, AlertFilter(monitor=PLANT.name), limit=12).alerts
    yield [what_would_calm(engine, lambda bundle: load_bundle(scene.bundles, bundle), one.id) for one in found]
    engine.dispose()


@pytest.mark.slow
def test_streams_are_replayed_from_what_was_kept(of_a_plant: list[WhatIf]) -> None:
    """The surprise is had again, most alerts would have been calmed by few sensors, and the words say so."""
    assert len(of_a_plant) >= 3
    assert all(each.before >= each.threshold for each in of_a_plant)
    calm = [each for each in of_a_plant if each.calm]
    assert len(calm) > len(of_a_plant) / 2
    assert all("there would have been no alert" in each.in_words for each in calm)
    assert all(len(each.times) > 1 for each in of_a_plant)
    assert all("No few features explain this" in each.in_words for each in of_a_plant if not each.calm)
