"""What pages say where nothing comes of an entity: it stopped sending, or missed a run."""

from dataclasses import replace
from datetime import timedelta

from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.outcome import MissedRun, OffsetMove, Outcome, StoppedSending
from latentwatch.review.filters import View
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.pages.overview import overview_markup
from latentwatch.review.room import Room
from latentwatch.review.templating import render


def test_a_missed_run_has_its_own_words(room: Room):
    """In the inbox, on its page and on the overview: when it was due, that none came, and later which one did."""
    due = room.now() - timedelta(hours=2)
    here = (OffsetMove(0, 7200, 7200),)
    run = MissedRun("rig-a", 0, 7199, due, None, 1, model_version=1, threshold=3.0)
    store = AlertStore(room.engine, "pump", room.clock)
    (number,) = store.commit(Outcome("pump", "pump.csv", here, missed=(run,))).alerts_opened
    inbox = inbox_markup(room, View())[1]
    row = inbox[inbox.index(f'data-href="/alerts/{number}"') :].split("</tr>")[0]
    assert "missed a run" in row
    assert "2 h" in row, "it goes on"

    def head() -> str:
        detail = alert_detail(room.engine, number)
        assert detail is not None
        return " ".join(render("alert_head.html", alert=detail.alert, peak=None, incident=None, others=0).split())

    assert "did not come in time, and none has come since" in head()
    assert "1 of 2 entities missed a run" in overview_markup(room)
    store.commit(Outcome("pump", "pump.csv", here, missed=(replace(run, until=due + timedelta(hours=1)),)))
    assert "did not come in time; the next came at" in head()
    assert "missed a run" not in overview_markup(room)


def test_an_entity_that_stopped_sending_has_its_own_words(room: Room):
    """An entity that stopped sending is told in the inbox, on its page and on the overview, without made-up numbers."""
    since = room.now() - timedelta(minutes=7)
    here = (OffsetMove(0, 7200, 7200),)
    stop = StoppedSending("rig-a", 0, 7199, since, 1, 3.0)
    (number,) = (
        AlertStore(room.engine, "pump", room.clock)
        .commit(Outcome("pump", "pump.csv", here, stopped=(stop,)))
        .alerts_opened
    )
    inbox = inbox_markup(room, View())[1]
    row = inbox[inbox.index(f'data-href="/alerts/{number}"') :].split("</tr>")[0]
    assert "stopped sending" in row
    assert "no single feature" not in row
    assert "7 min" in row, "it goes on"
    detail = alert_detail(room.engine, number)
    assert detail is not None
    assert "has sent nothing since" in render(
        "alert_head.html", alert=detail.alert, peak=detail.peak, incident=None, others=0
    )
    assert "1 of 2 entities stopped sending" in overview_markup(room)
    assert ", 1 stopped sending" in overview_markup(room), "also where a louder word stands in the state"
    both = replace(stop, entity="pump.csv[0]")
    AlertStore(room.engine, "pump", room.clock).commit(Outcome("pump", "pump.csv", here, stopped=(both,)))
    content = overview_markup(room)
    assert "all entities of 1 partition stopped sending" in content
    assert ", 1 stopped sending" in content, "a partition is no entity"
    spoke = {"rig-a": since + timedelta(minutes=5)}
    AlertStore(room.engine, "pump", room.clock).commit(Outcome("pump", "pump.csv", here, heard=spoke))
    ended = alert_detail(room.engine, number)
    assert ended is not None
    assert "sent nothing for 5 min" in render(
        "alert_head.html", alert=ended.alert, peak=ended.peak, incident=None, others=0
    )
