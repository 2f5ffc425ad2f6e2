"""Lasting changes, as the database shows them: asked once an alert, told each time, answered, and kept from training."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.exceptions import exceptions_in_force
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.reviewing import close, excluded_intervals, label
from latentwatch.alerts.session import reading
from latentwatch.alerts.steps import answer, unanswered
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import NotificationRow
from latentwatch.domain.alert import Alert, AlertStatus, FlaggedRecord, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.exceptions import KeepsAlarming, NormalLevel
from latentwatch.domain.rules import Grounds
from latentwatch.domain.steps import LastingChange, MovedFeature, StepAnswer
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome
from tests.alerts.contract.outbox import PUMP

DAY = 86_400.0


def asks(offset: int, day: float, *, accepted: bool = False) -> FlaggedRecord:
    """A record that asks, so many days after the change began."""
    step = LastingChange(at(0), at(day * DAY), (MovedFeature("Pressure", 0.25, 0.75, "bar"),), accepted)
    return replace(flagged(offset, day * DAY), grounds=Grounds(step=step))


class StepContract:
    """Promises about lasting changes."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        register_monitor(engine, PUMP, clock.now())
        store.claim(SOURCE, 0, 0)
        return store

    def only(self, engine: Engine) -> Alert:
        """The one alert that there is."""
        (found,) = inbox(engine, AlertFilter()).alerts
        return found

    def asked(self, engine: Engine, store: AlertStore, **how: bool) -> Alert:
        """An alert of one flagged record that then asks."""
        store.commit(outcome(0, 2, [flagged(0), flagged(1)]))
        store.commit(outcome(2, 3, [replace(asks(2, 1.5, **how), time=at(10))]))
        return self.only(engine)

    def test_an_alert_becomes_a_question(self, engine: Engine, store: AlertStore) -> None:
        """It says what changed, stays in the queue, and its history says when it asked."""
        alert = self.asked(engine, store)
        assert alert.asks
        assert alert.step is not None
        assert "Pressure is 0.75 bar on average, 0.25 bar before" in alert.step.in_words
        assert (alert.status, alert.records) == (AlertStatus.OPEN, 3)
        detail = alert_detail(engine, alert.id)
        assert detail is not None
        assert [event.kind for event in detail.events] == ["asked"]
        assert detail.alert == alert

    def test_it_is_asked_again_in_the_same_alert_and_told_each_time(self, engine: Engine, store: AlertStore) -> None:
        """A week later, however far beyond the gap; other records of then open an alert of their own."""
        alert = self.asked(engine, store)
        store.commit(outcome(3, 4, [asks(3, 8.5)]))
        again = self.only(engine)
        assert (again.id, again.records) == (alert.id, 4)
        with reading(engine) as session:
            titles = session.scalars(select(NotificationRow.title).order_by(NotificationRow.id)).all()
        assert len([title for title in titles if "new normal?" in title]) == 2 * len(PUMP.alert.notify)
        store.commit(outcome(4, 5, [flagged(4, 20 * DAY)]))
        assert inbox(engine, AlertFilter()).total == 2

    def test_an_alert_that_ended_long_before_asks_for_its_change(self, engine: Engine, store: AlertStore) -> None:
        """Of metrics a step alarms for hours and is asked about after a day: in the alert that it began with."""
        store.commit(outcome(0, 2, [flagged(0), flagged(1, 10_000.0)]))
        store.commit(outcome(2, 3, [asks(2, 1.5)]))
        asking, other = sorted(inbox(engine, AlertFilter()).alerts, key=lambda alert: alert.started)
        assert asking.asks
        assert (asking.records, asking.ended) == (2, at(1.5 * DAY))
        assert (other.asks, other.records) == (False, 1)

    def test_accepted_the_levels_are_normal_and_learned(self, engine: Engine, store: AlertStore) -> None:
        """One exception for each feature that moved; the alert closes, and nothing of it is left out."""
        alert = self.asked(engine, store)
        assert excluded_intervals(engine, MONITOR)[0].end > at(9 * DAY)
        assert [each.alert for each in unanswered(engine, MONITOR)] == [alert.id]
        answer(engine, alert.id, StepAnswer.ACCEPT, "kim", "bigger pump")
        answer(engine, alert.id, StepAnswer.ACCEPT, "kim")
        (one,) = exceptions_in_force(engine, MONITOR)
        assert one.form == NormalLevel(entity="rig-1", feature="Pressure", shift=0.5, since=at(0))
        now = self.only(engine)
        assert (now.status, now.answer, now.asks) == (AlertStatus.CLOSED, StepAnswer.ACCEPT, False)
        assert not excluded_intervals(engine, MONITOR)
        assert not unanswered(engine, MONITOR)

    def test_kept_it_alarms_and_is_not_learned(self, engine: Engine, store: AlertStore) -> None:
        """The alert stays open, and its stretch out of training."""
        alert = self.asked(engine, store)
        answer(engine, alert.id, StepAnswer.KEEP, "kim")
        (one,) = exceptions_in_force(engine, MONITOR)
        assert isinstance(one.form, KeepsAlarming)
        assert one.form.entity == "rig-1"
        now = self.only(engine)
        assert (now.status, now.answer) == (AlertStatus.OPEN, StepAnswer.KEEP)
        assert excluded_intervals(engine, MONITOR)[0].end > at(9 * DAY)
        with pytest.raises(InvalidInput, match="answered 'keep' before"):
            answer(engine, alert.id, StepAnswer.ACCEPT, "lou")

    def test_a_monitor_that_accepts_says_so_once_and_learns(self, engine: Engine, store: AlertStore) -> None:
        """Nobody is asked: the alert closes by itself, with a message."""
        alert = self.asked(engine, store, accepted=True)
        assert (alert.status, alert.answer) == (AlertStatus.CLOSED, StepAnswer.ACCEPT)
        assert not excluded_intervals(engine, MONITOR)
        with reading(engine) as session:
            bodies = session.scalars(select(NotificationRow.body).order_by(NotificationRow.id)).all()
        assert "the next model learns them" in bodies[-1]

    @pytest.mark.parametrize("said", [Verdict.TRUE, Verdict.FALSE, None])
    def test_a_verdict_decides_what_is_learned(self, engine: Engine, store: AlertStore, said: Verdict | None) -> None:
        """Confirmed it stays out; a false alarm, or one that was put away, does not."""
        alert = self.asked(engine, store)
        if said is None:
            close(engine, alert.id, "kim")
        else:
            label(engine, alert.id, said, "kim")
        ends = [each.end for each in excluded_intervals(engine, MONITOR)]
        assert ends == ([at(1.5 * DAY) + timedelta(days=8, minutes=5)] if said is Verdict.TRUE else [])

    def test_only_questions_are_answered(self, engine: Engine, store: AlertStore) -> None:
        """In words otherwise."""
        store.commit(outcome(0, 1, [flagged(0)]))
        with pytest.raises(InvalidInput, match="does not ask"):
            answer(engine, self.only(engine).id, StepAnswer.ACCEPT, "kim")
        with pytest.raises(NotFound, match="no alert 99"):
            answer(engine, 99, StepAnswer.KEEP, "kim")
        with pytest.raises(InvalidInput, match="author"):
            answer(engine, 1, StepAnswer.KEEP, " ")
