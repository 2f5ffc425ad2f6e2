"""What pages say: every state in words, nothing that runs, nothing without a bound."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from markupsafe import escape
from sqlalchemy import event

from latentwatch.alerts import reviewing
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.interface import MapGround
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.model import Judgement
from latentwatch.domain.outcome import (
    EntityState,
    OffsetMove,
    Outcome,
)
from latentwatch.review.actions import act, label
from latentwatch.review.charts.latent import VERDICT_LOOKS
from latentwatch.review.filters import View
from latentwatch.review.latent_map import latent_map
from latentwatch.review.pages.alert import evidence_markup, ground_of, replay_done
from latentwatch.review.pages.dead import dead_markup
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.pages.latent import selected
from latentwatch.review.pages.models import levels, models_markup
from latentwatch.review.pages.overview import overview_markup
from latentwatch.review.room import BundleCache, Room
from latentwatch.review.state import monitor_states
from latentwatch.review.templating import render
from tests.review.conftest import Pages
from tests.review.sketch import EVIL, NOW, PUMP, trace_point

PAGES = ("/", "/alerts", "/alerts/2", "/live/pump", "/map/pump", "/models/pump", "/dead-letters/pump")


def test_hostile_text_is_shown_and_never_run(room: Room):
    """Entities, values, reasons, causes and notes of a stream or a person appear as text."""
    reviewing.label(room.engine, 2, Verdict.UNSURE, EVIL, EVIL, EVIL)
    detail = alert_detail(room.engine, 2)
    assert detail is not None
    side = render(
        "alert_side.html",
        alert=detail.alert,
        peak=detail.peak,
        previous=((detail.alert, detail.labels[-1]),),
        events=detail.events,
        labels=detail.labels,
        opened=detail.opened,
        former=detail.former,
    )
    drawn = [
        *inbox_markup(room, View(status="any", entity=EVIL)),
        render("alert_head.html", alert=detail.alert, peak=detail.peak, incident=None, others=0),
        evidence_markup(detail, PUMP),
        side,
        dead_markup(room, "pump", 0),
        render("inbox_filters.html", view=View(monitor=EVIL, entity=EVIL), monitors=[EVIL], times={}, narrowed=True),
        render("label_form.html", alert=2, causes=[EVIL]),
    ]
    assert not any("<script" in markup for markup in drawn)
    assert str(escape(EVIL)) in drawn[1]
    assert str(escape(EVIL)) in side


def test_every_page_answers_and_carries_no_script_of_the_stream(pages: Pages, drawn_database: Path):
    """Each page is served whole with its data in it, and a hostile name stays text inside it."""
    client = pages.show(drawn_database)
    for path in PAGES:
        page = client.get(path)
        assert page.status_code == 200, path
        assert EVIL not in page.text, path
        assert "review.css" in page.text, path


@pytest.mark.parametrize("path", ["/nothing", "/alerts/abc", "/alerts/-1"])
def test_an_address_that_no_page_has_leads_back(pages: Pages, drawn_database: Path, path: str):
    """A link that was cut short ends on a page of ours."""
    answer = pages.show(drawn_database).get(path)
    assert answer.status_code == 404
    assert 'href="/alerts"' in answer.text


def test_pages_without_a_monitor_lead_to_one(pages: Pages, drawn_database: Path):
    """`/live`, `/map` and `/models` lead to the monitor that needs somebody most."""
    client = pages.show(drawn_database)
    for page in ("live", "map", "models"):
        answer = client.get(f"/{page}")
        assert (answer.status_code, answer.headers["location"]) == (307, f"/{page}/pump")


def test_pages_of_an_empty_database_say_how_to_begin(empty_room: Room, pages: Pages, blank_database: Path):
    """Nothing to show is a sentence with the next step."""
    assert "latentwatch init" in overview_markup(empty_room)
    assert "Nothing is watched yet" in inbox_markup(empty_room, View())[1]
    assert "No alert matches" in inbox_markup(empty_room, View(severity="high"))[1]
    assert "No model has been trained" in models_markup(empty_room, "pump")
    client = pages.show(blank_database)
    for path in ("/", "/alerts", "/live", "/map", "/models", "/alerts/7", "/live/nope"):
        assert client.get(path).status_code == 200, path
    for path, title in (("/live", "Live"), ("/map", "Map"), ("/models", "Models")):
        assert f"<h1>{title}</h1>" in unescape(client.get(path).text), path


def test_a_database_away_is_said_on_the_page(pages: Pages, tmp_path: Path):
    """Pages answer while the database has no tables, with a sentence that says so."""
    client = pages.show(tmp_path / "nothing.db")
    for path in ("/", "/alerts", "/alerts/1", "/live/pump", "/map/pump", "/models/pump"):
        page = client.get(path)
        assert page.status_code == 200, path
        assert "The database does not answer" in page.text, path


def test_the_overview_tells_state_promise_and_alerts(room: Room):
    """One row answers: is anything wrong, and does the promise hold?"""
    content = overview_markup(room)
    assert "3 incidents wait for you" in content
    assert "scoring" in content
    assert "3 in 2 h" in content
    assert "promised 2/day" in " ".join(content.split())
    assert "1 critical" in content
    assert 'href="/models/pump"' in content


def test_what_happened_at_one_moment_has_no_duration(room: Room):
    """An alert of one record, or of several of one moment, lasted no time that could be told."""
    row = inbox_markup(room, View())[1].split('data-href="/alerts/1"')[1].split("</tr>")[0]
    assert "0 s" not in row
    detail = alert_detail(room.engine, 3)
    assert detail is not None
    assert "(19 s)" in render("alert_head.html", alert=detail.alert, peak=detail.peak, incident=None, others=0)
    at_once = replace(detail.alert, ended=detail.alert.started)
    assert "0 s" not in render("alert_head.html", alert=at_once, peak=detail.peak, incident=None, others=0)


def test_an_entity_with_one_record_is_told_in_words(pages: Pages, drawn_database: Path):
    """A chart of one point is an empty frame: the record's values and score stand there instead."""
    client = pages.show(drawn_database)
    lone = trace_point("rig-b", NOW, 7300, 3.4)
    move = (OffsetMove(0, 7200, 7301),)
    state = EntityState("rig-b", 0, NOW, 1, True)
    AlertStore(pages.engine, "pump", ManualClock(NOW)).commit(
        Outcome("pump", "pump.csv", move, trace=(lone,), entities=(state,))
    )
    page = client.get("/live/pump?entity=rig-b").text
    assert "One record of" in page
    assert "A trace needs a second moment" in page
    assert "1 sampled record;" in page
    assert "Shaded: flagged" not in page
    assert "A trace needs a second moment" not in client.get("/live/pump?entity=rig-a").text


def test_the_alert_page_shows_expected_beside_actual(room: Room):
    """Guilty features come first, what they add is the surprise, and so is what every component adds."""
    detail = alert_detail(room.engine, 3)
    assert detail is not None
    content = evidence_markup(detail, PUMP)
    assert content.index("flow") < content.index("mode") < content.index("pressure")
    assert "l/min" in content
    assert "Together they are the surprise, 6.00" in content
    for name, added in (("distance", 3.0), ("reconstruction", 1.8), ("density", 1.2)):
        assert f"{name} adds {added:.1f}" in content


def test_a_damaged_bundle_is_a_sentence(room: Room):
    """A map or a replay without its bundle says what is missing and what to do."""
    detail = alert_detail(room.engine, 3)
    assert detail is not None
    problem = ground_of(room, "b" * 64)
    assert isinstance(problem, str)
    assert "no longer replays, and has no map" in problem
    done = replay_done(room, detail)
    assert done.refused
    assert "bundle" in done.sentence


def test_a_selection_on_the_map_lists_its_points(room: Room):
    """What the browser says is selected becomes records; what it makes up is ignored."""
    points = latent_map(room, "pump").points
    assert selected(points, None) is None
    chosen = selected(points, [["none", [0, 2, 999, -1, "x"]], ["nonsense", [0]], "junk", ["none"]])
    assert chosen == [points[0], points[2]]


@pytest.mark.parametrize(("alert", "drawn"), [(2, False), (3, True)])
def test_a_single_record_is_not_drawn_as_a_course(pages: Pages, drawn_database: Path, alert: int, drawn: bool):
    """One record, as a table without entities gives, would be an empty chart; its values stand in the evidence."""
    page = pages.show(drawn_database).get(f"/alerts/{alert}").text
    assert ("Before, during and after" in page) is drawn
    assert "Expected beside actual" in page


def test_versions_that_keep_places_share_a_map(room: Room, monkeypatch: pytest.MonkeyPatch):
    """What a former version flagged is drawn on the new one's map, where both are held to the same landmarks."""
    registry = ModelRegistry(room.engine, room.clock)
    registry.register("pump", "c" * 64, "variational", 1, None, None, None)
    registry.judge("pump", 2, Judgement(True, ("better",)))
    empty = np.zeros(1, np.float32)
    ground = MapGround(empty, empty, np.zeros((1, 1), np.float32), np.zeros((0, 2), np.float32), basis="kept")
    monkeypatch.setattr(BundleCache, "detector", lambda _cache, _bundle: SimpleNamespace(map_ground=lambda: ground))
    now = latent_map(room, "pump")
    assert (now.shared, len(now.points), now.others) == ((1,), 22, {})
    head = render("map_head.html", name="pump", drawn=now, counts=dict.fromkeys(VERDICT_LOOKS, 0), looks=VERDICT_LOOKS)
    assert "Versions 1, 2 share this map" in head


def test_a_former_version_has_its_own_map(room: Room):
    """After a promotion the new map is empty at first; the former one is offered with its flagged records."""
    registry = ModelRegistry(room.engine, room.clock)
    registry.register("pump", "c" * 64, "denoising", 1, None, None, None)
    registry.judge("pump", 2, Judgement(True, ("better",)))
    now = latent_map(room, "pump")
    assert now.version is not None
    assert (now.version.version, now.points, now.others) == (2, (), {1: 22})
    former = latent_map(room, "pump", 1)
    assert (len(former.points), former.others) == (22, {2: 0})
    head = render("map_head.html", name="pump", drawn=now, counts=dict.fromkeys(VERDICT_LOOKS, 0), looks=VERDICT_LOOKS)
    assert '<a href="/map/pump?version=1">version 1</a>' in head
    nobody = latent_map(room, "pump", 99).version
    assert latent_map(room, "pump", 10**30).version == nobody
    assert nobody is not None
    assert nobody.version == 2


def test_the_models_page_gives_reasons(room: Room):
    """Which model, since when, why, and whether its number means what it says."""
    content = models_markup(room, "pump")
    assert "version 1 is watching" in content
    assert "It keeps its promise." in content
    assert "20 of 24" in content
    assert "stuck 75 %" in content
    assert "Roll back" not in content
    first = levels(1000, (120, 8, 0, 0))[0]
    assert (first.promised, first.seen) == (0.1, 0.12)
    assert first.interval[0] < 0.12 < first.interval[1]


@pytest.mark.parametrize(
    ("said", "status", "verdict"),
    [
        ({"id": 1, "what": "acknowledge", "author": "Ada"}, "acknowledged", None),
        ({"id": 1, "what": "true", "author": "Ada"}, "closed", "true"),
        ({"id": 1, "what": "false"}, "closed", "false"),
        ({"id": 1, "what": "unsure", "author": "  "}, "acknowledged", "unsure"),
        ({"id": 1, "what": "close", "author": "Ada"}, "closed", None),
    ],
)
def test_keys_do_what_they_say(room: Room, said: dict[str, object], status: str, verdict: str | None):
    """Each key or button changes the alert, also for somebody without a name."""
    assert not act(room, said).refused
    detail = alert_detail(room.engine, 1)
    assert detail is not None
    assert detail.alert.status.value == status
    assert (detail.alert.verdict.value if detail.alert.verdict else None) == verdict


@pytest.mark.parametrize(
    "said", [None, [], {}, {"id": "1"}, {"id": True}, {"id": 1, "what": "drop"}, {"id": 99, "what": "true"}]
)
def test_what_a_browser_makes_up_changes_nothing(room: Room, said: object):
    """Malformed messages are refused with a sentence."""
    done = act(room, said)
    assert done.refused
    assert done.sentence
    detail = alert_detail(room.engine, 1)
    assert detail is not None
    assert detail.alert.status.value == "open"


def test_a_label_needs_a_choice(room: Room):
    """Saving the form without choosing says what to choose."""
    done = label(room, {"id": 1, "verdict": "", "author": "Ada", "cause": "c", "note": "n"})
    assert done.refused
    assert "choose" in done.sentence


def test_every_query_of_a_page_is_bounded(room: Room):
    """Whatever pages ask, a statement that returns rows has a limit, an aggregate, or a key."""
    asked: list[str] = []
    event.listen(room.engine, "before_cursor_execute", lambda *said: asked.append(" ".join(said[2].split())))
    overview_markup(room)
    inbox_markup(room, View())
    alert_detail(room.engine, 3)
    latent_map(room, "pump")
    models_markup(room, "pump")
    dead_markup(room, "pump", 0)
    reads = [statement for statement in asked if statement.startswith("SELECT")]
    assert len(reads) > 15
    unbounded = [
        statement
        for statement in reads
        if " LIMIT " not in statement
        and "count(" not in statement
        and "max(" not in statement
        and not statement.startswith("SELECT sum(")
        and "FROM minute_counts" not in statement  # at most one row a minute, version and scorer, over two hours
        and "WHERE alerts.id = ?" not in statement
        and "status = ?" not in statement  # the database allows one champion
    ]
    assert unbounded == []


def test_queries_never_run_on_the_event_loop(room: Room):
    """What pages ask runs in another thread, so that one slow query holds nobody else up."""
    import threading

    from latentwatch.review.fragment import PageQueries

    class Silent(PageQueries):
        """Asks without a page to put notices on."""

        def __init__(self) -> None:
            self._clock = room.clock
            self.problems: list[str] = []

        def _tell(self, problem: str) -> None:
            self.problems.append(problem)

    queries = Silent()

    def refuse() -> None:
        raise Unavailable("the database is away")

    async def ask() -> None:
        assert await queries.ask(threading.get_ident) != threading.get_ident()
        assert await queries.ask(refuse) is None
        assert queries.problems == ["", "the database is away"]
        assert await queries.ask(lambda: 1) == 1
        assert queries.problems[-1] == ""

    asyncio.run(ask())


def test_stale_beats_everything(room: Room, clock: ManualClock):
    """A scorer that fell silent is the first thing to say, with how long and what to do."""
    clock.advance(timedelta(minutes=5).total_seconds())
    (state,) = monitor_states(room)
    assert state.word.value == "stale"
    assert "5 min" in state.sentence
    assert "start it again" in state.sentence
    assert state.records_per_second is None
