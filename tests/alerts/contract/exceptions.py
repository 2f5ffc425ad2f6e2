"""Exceptions in the database: signed, found by the scorer, counted with the batch, taken back and kept."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.exceptions import add_exception, exceptions, exceptions_in_force, remove_exception
from latentwatch.alerts.normal_stretches import NormalStretch, normal_stretches
from latentwatch.alerts.reading.past import chosen_alerts, past_alerts
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound, PartitionLost
from latentwatch.domain.exceptions import NormalLevel, NormalValue
from latentwatch.domain.outcome import ExceptedCount, OffsetMove, Outcome
from tests.alerts.build import MONITOR, SOURCE, START, at, flagged, outcome

VALUE = NormalValue(feature="country", value="NG")
LEVEL = NormalLevel(feature="T03", shift=6.0, since=START, entity="press-1")


class ExceptionContract:
    """Promises about exceptions."""

    def test_what_was_made_is_in_force_and_listed(self, engine: Engine, clock: ManualClock) -> None:
        """With its author, reason, end and alerts; of this monitor alone."""
        end = START + timedelta(days=30)
        made = add_exception(
            engine, MONITOR, VALUE, author=" ana ", note="customers there", until=end, alerts=[3, 4], clock=clock
        )
        add_exception(engine, "other", VALUE, author="bo", clock=clock)
        assert (made.author, made.note, made.until, made.alerts, made.records) == (
            "ana", "customers there", end, (3, 4), 0,
        )  # fmt: skip
        assert exceptions(engine, MONITOR) == [made]
        (one,) = exceptions_in_force(engine, MONITOR)
        assert (one.id, one.form, one.until) == (made.id, VALUE, end)

    def test_the_same_is_made_once(self, engine: Engine, clock: ManualClock) -> None:
        """A button pressed twice makes one exception."""
        first, second = (add_exception(engine, MONITOR, LEVEL, author="ana", clock=clock) for _ in range(2))
        assert first == second
        assert len(exceptions(engine, MONITOR)) == 1

    def test_nobody_makes_none(self, engine: Engine) -> None:
        """Each is signed."""
        with pytest.raises(InvalidInput, match="author"):
            add_exception(engine, MONITOR, VALUE, author=" ")

    def test_one_taken_back_acts_no_more_and_is_kept(self, engine: Engine, clock: ManualClock) -> None:
        """With who took it back; once more changes nothing; another monitor's is not found."""
        made = add_exception(engine, MONITOR, VALUE, author="ana", clock=clock)
        with pytest.raises(NotFound, match="no exception"):
            remove_exception(engine, "other", made.id, "bo", clock)
        gone = remove_exception(engine, MONITOR, made.id, "bo", clock)
        assert (gone.removed, gone.removed_by) == (clock.now(), "bo")
        assert remove_exception(engine, MONITOR, made.id, "cy", clock) == gone
        assert not exceptions_in_force(engine, MONITOR)
        assert exceptions(engine, MONITOR) == []
        assert exceptions(engine, MONITOR, removed=True) == [gone]

    def test_stretches_called_normal_are_those_of_false_alarms(self, engine: Engine, clock: ManualClock) -> None:
        """From the first record to just after the last, by the latest verdict."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        records = [flagged(0, 100), flagged(1, 140), flagged(2, 100, "rig-2"), flagged(3, 900, "rig-2")]
        first, second, third = store.commit(outcome(0, 4, records)).alerts_opened
        for alert in (first, second, third):
            label(engine, alert, Verdict.FALSE, "ana", clock=clock)
        label(engine, second, Verdict.TRUE, "bo", clock=clock)
        tick = timedelta(microseconds=1)
        assert normal_stretches(engine, MONITOR) == [
            NormalStretch(first, "rig-1", at(100), at(140) + tick),
            NormalStretch(third, "rig-2", at(900), at(900) + tick),
        ]

    def test_a_preview_sees_records_from_an_alerts_whole_course(self, engine: Engine, clock: ManualClock) -> None:
        """Evenly, at most so many; those of other alerts are its own."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        records = [flagged(number, 10 * number) for number in range(11)]
        records += [flagged(number, 7, "rig-2") for number in range(11, 14)]
        long, short = store.commit(outcome(0, 14, records)).alerts_opened
        found = {alert.id: seen for alert, seen in chosen_alerts(engine, MONITOR, [short, long], 4)}
        assert list(found) == [short, long]
        assert [each.time for each in found[long]] == [at(0), at(30), at(60), at(90)]
        assert len(found[short]) == 3
        assert {alert.id: len(seen) for alert, seen in past_alerts(engine, MONITOR)} == {long: 11, short: 3}
        with pytest.raises(NotFound, match="no alert 999"):
            chosen_alerts(engine, MONITOR, [999], 4)
        with pytest.raises(NotFound, match=f"no alert {long}"):
            chosen_alerts(engine, "other", [long], 4)

    def test_what_it_came_to_is_counted_with_the_batch(self, engine: Engine, clock: ManualClock) -> None:
        """Each batch adds to it, once; one that is not committed does not."""
        made = add_exception(engine, MONITOR, VALUE, author="ana", clock=clock)
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        counts = (
            ExceptedCount(made.id, 2, at(9)),
            ExceptedCount(made.id, 3, at(5)),
            ExceptedCount(made.id + 9, 1, at(1)),
        )
        store.commit(Outcome(MONITOR, SOURCE, (OffsetMove(0, 0, 10),), excepted=counts))
        store.commit(Outcome(MONITOR, SOURCE, (OffsetMove(0, 10, 20),), excepted=(ExceptedCount(made.id, 1, at(7)),)))
        with pytest.raises(PartitionLost):
            store.commit(Outcome(MONITOR, SOURCE, (OffsetMove(0, 10, 20),), excepted=counts))
        (found,) = exceptions(engine, MONITOR)
        assert (found.records, found.last) == (6, at(9))
