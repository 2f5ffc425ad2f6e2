"""Exploring states: places are decoded to records in their units, how usual they are is said, and what cannot be asked is refused."""

from collections.abc import Iterator

import numpy as np
import pytest
from starlette.testclient import TestClient

from latentwatch.alerts.database import open_database
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.domain.alert import Alert
from latentwatch.review.app import create_api
from latentwatch.review.config import ReviewConfig
from latentwatch.review.entity_trails import entity_trails
from latentwatch.review.room import Room
from latentwatch.review.states import StateExplorer, StatePoint
from tests.review.scene import PLANT, Scene, full_scene
from tests.review.shop import SHOP, sold_abroad, trained_shop

WHERE = f"/api/monitors/{PLANT.name}/states"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A plant that is watched."""
    return full_scene(tmp_path_factory.mktemp("states"))


@pytest.fixture
def plant(scene: Scene) -> Iterator[Room]:
    """Over it."""
    engine = open_database(scene.database)
    yield Room(engine, ReviewConfig(), scene.bundles, scene.clock)
    engine.dispose()


@pytest.fixture
def explorer(plant: Room) -> StateExplorer:
    """The champion's."""
    return StateExplorer(plant, PLANT.name)


def alert_of(room: Room) -> Alert:
    """Any that has records."""
    return inbox(room.engine, AlertFilter(monitor=PLANT.name), limit=1).alerts[0]


def _client(room: Room, scene: Scene) -> TestClient:
    app = create_api(room.engine, None, scene.bundles, scene.clock)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def test_a_place_is_decoded_to_a_record_that_lies_there(explorer: StateExplorer) -> None:
    """The code of a place is on that place; in the middle of normal records numbers are as the plant shows them."""
    middle = explorer.middle
    (state,) = explorer.decode([StatePoint(place=middle.place)])
    assert state.place == pytest.approx(middle.place, abs=1e-3)
    assert state.normal
    assert state.share > 0
    assert "% of normal records" in state.in_words
    (normal,) = explorer.decode([StatePoint(code=middle.code)])
    for name in explorer.detector.schema.numbers:
        assert isinstance(normal.values[name], float | bool)
    assert normal == explorer.middle


def test_far_from_everything_nothing_normal_lies(explorer: StateExplorer) -> None:
    """It is decoded all the same, and called a guess."""
    (state,) = explorer.decode([StatePoint(place=(1e4, 1e4))])
    assert not state.normal
    assert state.share == 0
    assert "guess" in state.in_words


def test_a_factor_changes_what_it_is_named_after_most(explorer: StateExplorer) -> None:
    """Over its reach; the other factors stay."""
    factor = explorer.factors()[0]
    states = explorer.traverse(StatePoint(code=explorer.middle.code), factor.number)
    assert [state.along for state in states] == pytest.approx(np.linspace(factor.low, factor.high, 7))
    assert {state.code[1:] for state in states} == {explorer.middle.code[1:]}
    normal = explorer.decode(
        [StatePoint(code=tuple(code)) for code in explorer.detector.state_space().codes[:50].tolist()]
    )

    def moved(name: str) -> float:
        spread = np.std([float(state.values[name] or 0) for state in normal])
        return abs(float(states[-1].values[name] or 0) - float(states[0].values[name] or 0)) / max(float(spread), 1e-9)

    strongest = sorted(explorer.detector.schema.numbers, key=moved)[-3:]
    assert factor.features[0] in strongest


def test_a_way_leads_from_one_state_to_the_other_and_beyond(explorer: StateExplorer) -> None:
    """Seven steps; beyond them two more at either end."""
    codes = explorer.detector.state_space().codes
    first, second = (StatePoint(code=tuple(codes[row].tolist())) for row in (0, 100))
    way = explorer.way(first, second)
    assert [state.along for state in way] == pytest.approx(np.linspace(0, 1, 7))
    assert way[0].code == pytest.approx(first.code, abs=1e-5)
    assert way[-1].code == pytest.approx(second.code, abs=1e-5)
    longer = explorer.way(first, second, beyond=True)
    assert len(longer) == 11
    assert (longer[0].along, longer[-1].along) == (-0.5, 1.5)


def test_a_difference_of_groups_is_applied_to_a_third(explorer: StateExplorer) -> None:
    """A group's own difference to the third state is what turns one into the other."""
    codes = explorer.detector.state_space().codes
    first, second = (StatePoint(code=tuple(codes[row].tolist())) for row in (0, 100))
    found = explorer.difference([first], [second], first)
    (goal,) = explorer.decode([second])
    assert found.after.code == pytest.approx(goal.code, abs=1e-4)
    for line in found.lines:
        if isinstance(line.before, float) and isinstance(line.after, float):
            assert line.after - line.before == pytest.approx(line.change, rel=1e-2, abs=1e-2)
    assert sum(isinstance(line.before, float) for line in found.lines) >= 5


def test_entities_have_trails(explorer: StateExplorer) -> None:
    """Every rig is drawn where its latest records lie, the latest last, on the ground or near it."""
    trails = entity_trails(explorer)
    assert len(trails) == 4
    for trail in trails:
        assert len(trail.places) == len(trail.times) <= 30
        assert list(trail.times) == sorted(trail.times)
        assert np.isfinite(trail.places).all()


def test_programs_ask_the_same(plant: Room, scene: Scene) -> None:
    """The map, states, ways, differences, and alerts as states."""
    client: TestClient = _client(plant, scene)
    found = client.get(f"{WHERE}/map").json()
    assert len(found["entities"]) == 4
    assert all(found["axes"])
    assert [factor["number"] for factor in found["factors"]] == list(range(len(found["middle"]["code"])))
    place = {"place": found["middle"]["place"]}
    alert = {"alert": alert_of(plant).id}
    states = client.post(f"{WHERE}/decode", json={"states": [place, alert]}).json()
    assert states[0]["normal"]
    assert set(states[0]["values"]) == set(PLANT.record.names)
    way = client.post(f"{WHERE}/decode", json={"states": [place, alert], "ask": "way", "beyond": True}).json()
    assert len(way) == 11
    walked = client.post(f"{WHERE}/decode", json={"states": [place], "ask": "traverse", "factor": 1}).json()
    assert len(walked) == 7
    moved = client.post(f"{WHERE}/difference", json={"first": [place], "second": [alert], "start": place}).json()
    assert moved["after"]["code"] == pytest.approx(states[1]["code"], abs=1e-3)


@pytest.mark.parametrize(
    ("asked", "status", "word"),
    [
        ({"states": []}, 422, "at least 1"),
        ({"states": [{"place": [0, 0]}] * 51}, 422, "at most 50"),
        ({"states": [{}]}, 422, "exactly one"),
        ({"states": [{"place": [0, 0], "alert": 1}]}, 422, "exactly one"),
        ({"states": [{"code": [0.0]}]}, 422, "numbers, not 1"),
        ({"states": [{"place": [1e300, 0]}]}, 422, "numbers between"),
        ({"states": [{"alert": 10**9}]}, 404, "no alert"),
        ({"states": [{"place": [0, 0]}], "ask": "traverse", "factor": 60}, 422, "has factors"),
        ({"states": [{"place": [0, 0]}], "ask": "way"}, 422, "between two"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    plant: Room, scene: Scene, asked: dict[str, object], status: int, word: str
) -> None:
    """With a sentence, never an error of the server."""
    answer = _client(plant, scene).post(f"{WHERE}/decode", json=asked)
    assert answer.status_code == status, answer.text
    assert word in answer.text


def test_without_a_model_there_are_no_states(plant: Room, scene: Scene) -> None:
    """The kiln waits for its first one, and nobody registered the third."""
    client = _client(plant, scene)
    answer = client.get("/api/monitors/kiln/states/map")
    assert (answer.status_code, "no model serves kiln" in answer.text) == (404, True)
    assert client.get("/api/monitors/nobody/states/map").status_code == 404


def test_records_that_stand_alone_have_states_too(room: Room) -> None:
    """With words among their values, which are decoded to those that fit best."""
    sold_abroad(room, trained_shop())
    explorer = StateExplorer(room, SHOP.name)
    (state,) = explorer.decode([StatePoint(place=explorer.middle.place)])
    assert set(state.values) == {"amount", "tax", "country"}
    assert state.values["country"] in {"DE", "FR", "NL", "PL"}
    assert entity_trails(explorer) == ()
