"""Monitors, heartbeats and retention."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from latentwatch.alerts.heartbeats import Heartbeat, beat, farewell, heartbeats
from latentwatch.alerts.monitors import monitors, register_monitor, registered_monitor
from latentwatch.alerts.retention import Ages, prune
from latentwatch.alerts.reviewing import acknowledge, close, label, labels
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import (
    AlertEventRow,
    AlertRow,
    DeadLetterRow,
    FlaggedRecordRow,
    MinuteCountRow,
    TraceRow,
)
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import NotFound
from latentwatch.domain.outcome import EntityState
from tests.alerts.build import MONITOR, SOURCE, START, at, count, dead, flagged, outcome, point
from tests.alerts.contract.outbox import PUMP

BEAT = Heartbeat(
    id="host-1-a",
    monitor=MONITOR,
    host="host",
    pid=1,
    started=START,
    seen=START,
    last_commit=None,
    partitions=[0, 2],
    model_version=None,
    lag=None,
    records=0,
    records_per_second=0.0,
    state="waiting for database",
)


class HousekeepingContract:
    """Promises of what surrounds the store."""

    def test_a_monitor_is_known_once_registered(self, engine: Engine, clock: ManualClock) -> None:
        """Registering again overwrites the definition; all processes read it back equal."""
        register_monitor(engine, PUMP, clock)
        changed = PUMP.model_copy(update={"window": 5})
        register_monitor(engine, changed, clock)
        assert monitors(engine) == [changed]
        assert registered_monitor(engine, "pump") == changed

    def test_an_unknown_monitor_is_answered_with_the_known(self, engine: Engine) -> None:
        """Asking for a monitor that is not registered lists those that are."""
        register_monitor(engine, PUMP)
        with pytest.raises(NotFound, match=r"'mill' is not registered.*pump"):
            registered_monitor(engine, "mill")

    def test_a_scorer_is_alive_while_it_beats(self, engine: Engine) -> None:
        """The latest heartbeat of each scorer is kept; silence and farewell both end it."""
        beat(engine, BEAT)
        later = replace(BEAT, seen=at(10), last_commit=at(9), state="scoring", records=7, lag=3, model_version=2)
        beat(engine, later)
        beat(engine, replace(BEAT, id="host-2-b", seen=at(5)))
        first, second = heartbeats(engine, MONITOR)
        assert first == later
        assert (first.is_alive(at(40)), second.is_alive(at(40))) == (True, False)
        farewell(engine, later.id, at(11))
        stopped = heartbeats(engine, MONITOR, since=at(11))
        assert [(each.id, each.is_alive(at(11)), each.partitions) for each in stopped] == [(later.id, False, [])]
        assert heartbeats(engine, "mill") == []

    def test_retention_forgets_the_old_and_nothing_else(self, engine: Engine, clock: ManualClock) -> None:
        """Old traces, counts, dead letters and closed unlabelled alerts go; what is young, open or labelled stays."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        day = 86_400.0
        for number, when in enumerate((0.0, 200 * day)):
            clock.advance(200 * day * number)
            start = number * 10
            records = [flagged(start + place, when + place, f"rig-{place}") for place in range(4)]
            counts = [count(int(when / 60), 5)]
            batch = outcome(start, start + 10, records, dead=[dead(start + 9)], counts=counts, trace=[point(when)])
            heard = EntityState(f"rig-{number}", 0, at(when), 10, False)
            store.commit(replace(batch, entities=(heard,)))
        with reading(engine) as session:
            alerts = session.scalars(select(AlertRow.id).order_by(AlertRow.id)).all()
        for decided in (alerts[:4], alerts[4:]):
            close(engine, decided[0], "ann")
            acknowledge(engine, decided[1], "ann")
            label(engine, decided[2], Verdict.FALSE, "ann")
        ages = Ages(minute_counts=timedelta(days=30))
        seen: list[str] = []
        deleted = prune(engine, ages, clock.now(), lambda table, rows: seen.append(table))
        expected = {"alerts": 1, "trace": 1, "minute_counts": 1, "dead_letters": 1, "entities": 1}
        assert {table: rows for table, rows in deleted.items() if rows} == expected
        assert list(deleted) == seen
        with reading(engine) as session:
            left = list(session.scalars(select(AlertRow.id).order_by(AlertRow.id)))
            sizes = [
                session.scalar(select(func.count()).select_from(row))
                for row in (FlaggedRecordRow, TraceRow, MinuteCountRow, DeadLetterRow)
            ]
            orphans = session.scalar(select(func.count()).where(AlertEventRow.alert_id == alerts[0]))
        assert left == list(alerts[1:])
        assert (sizes, orphans) == ([7, 1, 1, 1], 0)
        assert len(labels(engine, alerts[2])) == 1
        assert not any(prune(engine, ages, clock.now()).values())

    def test_retention_works_in_small_steps(self, engine: Engine, clock: ManualClock) -> None:
        """More rows than one step takes are all deleted."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        store.commit(outcome(0, 5000, dead=[dead(offset) for offset in range(4001)]))
        records = [flagged(5000 + place, 1000 * place) for place in range(41)]
        for alert in store.commit(outcome(5000, 6000, records)).alerts_opened:
            close(engine, alert, "ann")
        deleted = prune(engine, Ages(), clock.now() + timedelta(days=1000))
        assert (deleted["dead_letters"], deleted["alerts"]) == (4001, 41)
