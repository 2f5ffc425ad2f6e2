"""Alerts about runs that did not come: one for each time, over once a run comes, none beside one of stopped sending."""

from datetime import datetime

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reviewing import close, excluded_intervals
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertEventRow, AlertRow, NotificationRow
from latentwatch.domain.alert import AlertKind, AlertStatus
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.outcome import MissedRun, OffsetMove, Outcome, StoppedSending
from tests.alerts.build import MONITOR, SOURCE, at
from tests.alerts.contract.outbox import PUMP


def overdue(entity: str = "backup", offset: int = 10, until: float | None = None) -> MissedRun:
    """A run that was due a while after the record of that offset."""
    came = None if until is None else at(until)
    return MissedRun(entity, 0, offset, at(offset + 100), came, 2, model_version=7, threshold=3.0)


class MissedRunsContract:
    """Promises about runs that did not come."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        return store

    def give(
        self,
        store: AlertStore,
        *missed: MissedRun,
        stopped: tuple[StoppedSending, ...] = (),
        heard: dict[str, datetime] | None = None,
    ) -> tuple[int, ...]:
        """Commit these; the alerts that it opened."""
        here = store.positions(SOURCE)[0]
        moves = (OffsetMove(0, here, here),)
        return store.commit(
            Outcome(MONITOR, SOURCE, moves, missed=missed, stopped=stopped, heard=heard or {})
        ).alerts_opened

    def alerts(self, engine: Engine) -> list[AlertRow]:
        """Every alert, oldest first."""
        with reading(engine) as session:
            return list(session.scalars(select(AlertRow).order_by(AlertRow.id)))

    def test_a_run_that_comes_ends_its_alert_and_leaves_it_open(self, store: AlertStore, engine: Engine) -> None:
        """What was missed is missing for good: people still see it, with how many runs are missing."""
        (number,) = self.give(store, overdue())
        assert self.give(store, overdue()) == ()
        assert self.give(store, overdue(until=500), heard={"backup": at(500)}) == ()
        (alert,) = self.alerts(engine)
        assert (alert.kind, alert.status, alert.over, alert.started, alert.ended) == (
            AlertKind.MISSED_RUN, AlertStatus.OPEN, True, at(110), at(500),
        )  # fmt: skip
        with reading(engine) as session:
            assert [(event.kind, event.note) for event in session.scalars(select(AlertEventRow))] == [
                ("over", "a run came again; 2 runs are missing")
            ]
        assert self.give(store, overdue(until=500)) == (), f"read again, it is alert {number}"

    def test_a_run_that_was_late_closes_its_alert(self, store: AlertStore, engine: Engine) -> None:
        """Heard, and no run is missing."""
        self.give(store, overdue())
        self.give(store, heard={"backup": at(120)})
        (alert,) = self.alerts(engine)
        assert (alert.status, alert.over) == (AlertStatus.CLOSED, True)

    def test_of_a_backlog_each_time_has_an_alert_that_is_over(self, store: AlertStore, engine: Engine) -> None:
        """Several of an entity in one batch; read again, also once people have closed them, they are the same."""
        opened = self.give(store, overdue(until=500), overdue(offset=900, until=1500))
        assert len(opened) == 2
        assert [alert.over for alert in self.alerts(engine)] == [True, True]
        close(engine, opened[0], "ann")
        assert self.give(store, overdue(until=500), overdue(offset=900, until=1500)) == ()
        assert len(self.give(store, overdue(offset=1600))) == 1

    @pytest.mark.parametrize("first", ["missed", "stopped"])
    def test_one_cause_has_one_alert(self, store: AlertStore, engine: Engine, first: str) -> None:
        """Whichever is found first, a missed run or an entity that stopped sending, the other adds nothing."""
        stop = StoppedSending("backup", 0, 10, at(10), 7, 3.0)
        if first == "missed":
            self.give(store, overdue())
            self.give(store, stopped=(stop,))
        else:
            self.give(store, stopped=(stop,))
            self.give(store, overdue())
            self.give(store, overdue(until=500), heard={"backup": at(500)})
        assert len(self.alerts(engine)) == 1

    def test_people_are_told_that_it_is_missing_and_that_runs_come_again(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """In its own words, with when it was due; jobs that miss their runs together are one incident."""
        register_monitor(engine, PUMP, clock)
        self.give(store, overdue(), overdue("report"))
        self.give(store, overdue(until=500), overdue("report", until=500))
        with reading(engine) as session:
            told = [(message.title, message.body) for message in session.scalars(select(NotificationRow))]
        assert {title for title, _ in told} == {
            "[medium] pump: 2 entities missed a run",
            "[low] pump: 2 entities runs come again",
        }
        assert any("2 missed a run." in body for _, body in told)

    def test_what_came_around_it_is_learned(self, store: AlertStore, engine: Engine) -> None:
        """The records before and after are normal ones."""
        self.give(store, overdue(), overdue("report", until=500))
        assert excluded_intervals(engine, MONITOR) == []
