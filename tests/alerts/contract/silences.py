"""Silences: what they hide, what outlasts them, what they keep out of training, and what they would have hidden."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.reviewing import close, excluded_intervals, label, reopen
from latentwatch.alerts.session import reading
from latentwatch.alerts.silences import add_silence, listed_silences, preview_silence, remove_silence
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import NotificationRow
from latentwatch.domain.alert import Alert, AlertStatus, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.outcome import EntityState, OffsetMove, Outcome, StoppedSending
from latentwatch.domain.record import Position
from latentwatch.domain.silence import Silence, parse_weekly
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome
from tests.alerts.contract.outbox import PUMP


def planned(start: float = 0, end: float = 100, entity: str = "rig-*", feature: str = "") -> Silence:
    """Planned work between these seconds."""
    return Silence(MONITOR, "planned work", "ada", entity, feature, start=at(start), end=at(end))


class SilencesContract:
    """Promises about silences."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        register_monitor(engine, PUMP, clock)
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        return store

    def alerts(self, engine: Engine) -> list[Alert]:
        """Every alert, oldest first."""
        return sorted(inbox(engine, AlertFilter()).alerts, key=lambda alert: alert.id)

    def told(self, engine: Engine) -> list[int | None]:
        """The alerts that messages are about."""
        with reading(engine) as session:
            return list(session.scalars(select(NotificationRow.alert_id).order_by(NotificationRow.id)))

    def test_what_it_hides_is_kept_and_nobody_is_told(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """By the record's own time, up to but not including the end, and only of entities that the pattern names."""
        number = add_silence(engine, planned(), clock).id
        store.commit(outcome(0, 3, [flagged(0, 99), flagged(1, 50, "pump-1"), flagged(2, 0, "rig-2")]))
        first, other, second = self.alerts(engine)
        assert (first.status, first.silence) == (AlertStatus.SILENCED, number)
        assert (second.status, second.silence) == (AlertStatus.SILENCED, number)
        assert (other.status, other.silence) == (AlertStatus.OPEN, None)
        assert set(self.told(engine)) == {other.id}
        (listed,) = listed_silences(engine, at(10))
        assert (listed.hidden_alerts, listed.hidden_records, listed.state, listed.until) == (2, 2, "now", at(100))

    def test_what_outlasts_it_alarms(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """The first record after its end opens an alert of its own, which says what it goes on from."""
        number = add_silence(engine, planned(), clock).id
        store.commit(outcome(0, 2, [flagged(0, 98), flagged(1, 99)]))
        store.commit(outcome(2, 4, [flagged(2, 100), flagged(3, 101)]))
        hidden, alarm = self.alerts(engine)
        assert (hidden.records, alarm.records, alarm.status) == (2, 2, AlertStatus.OPEN)
        assert set(self.told(engine)) == {alarm.id}
        with reading(engine) as session:
            assert f"silence {number} hid" in session.scalars(select(NotificationRow.body)).all()[0]

    def test_planned_work_is_part_of_no_incident(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """What is hidden stands alone, beside the one incident of what is not, however alike."""
        add_silence(engine, planned(entity="db-*"), clock)
        names = ("db-1", "db-2", "web-1", "web-2")
        store.commit(
            outcome(
                0,
                4,
                [replace(flagged(0, 5, name), position=Position(SOURCE, 0, place)) for place, name in enumerate(names)],
            )
        )
        with reading(engine) as session:
            row = IncidentMemberRow
            found = dict(session.execute(select(row.entity, row.incident)).all())
        assert found["web-1"] == found["web-2"]
        assert len({found["db-1"], found["db-2"], found["web-1"]}) == 3

    def test_an_alert_that_runs_when_it_begins_does_not_grow(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """Records under it are hidden, and after it the alert goes on where the gap allows."""
        add_silence(engine, planned(10, 20), clock)
        store.commit(outcome(0, 3, [flagged(0, 9), flagged(1, 15), flagged(2, 21)]))
        running, hidden = self.alerts(engine)
        assert (running.records, running.ended, running.silence) == (2, at(21), None)
        assert (hidden.records, hidden.status) == (1, AlertStatus.SILENCED)

    def test_of_a_feature_only_what_is_about_it_first(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """A record whose strongest feature is another is told."""
        add_silence(engine, planned(feature="Pressure0"), clock)
        store.commit(outcome(0, 2, [flagged(0, 1, "rig-1"), flagged(1, 1, "rig-2")]))
        assert [alert.status for alert in self.alerts(engine)] == [AlertStatus.SILENCED, AlertStatus.OPEN]

    def test_taken_back_it_hides_nothing_more(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """What it hid stays hidden and listed; the next record is told."""
        number = add_silence(engine, planned(), clock).id
        store.commit(outcome(0, 1, [flagged(0, 10)]))
        assert remove_silence(engine, number, "ben", clock).removed is not None
        store.commit(outcome(1, 2, [flagged(1, 11)]))
        assert [alert.status for alert in self.alerts(engine)] == [AlertStatus.SILENCED, AlertStatus.OPEN]
        assert listed_silences(engine, at(12)) == []
        (listed,) = listed_silences(engine, at(12), MONITOR, finished=True)
        assert (listed.state, listed.hidden_alerts) == ("removed", 1)

    def test_a_critical_one_stays_hidden(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """However loud it becomes; brought back into the inbox by hand it is told when it becomes critical."""
        add_silence(engine, planned(), clock)
        store.commit(outcome(0, 1, [flagged(0, 10)]))
        store.commit(outcome(1, 2, [flagged(1, 11, surprise=9.0)]))
        (alert,) = self.alerts(engine)
        assert (alert.severity.value, self.told(engine)) == ("critical", [])
        assert reopen(engine, alert.id, "ada", clock=clock) is AlertStatus.OPEN

    def test_what_it_hid_is_not_learned(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """Neither put away without a verdict, until somebody labels it false."""
        add_silence(engine, planned(), clock)
        store.commit(outcome(0, 1, [flagged(0, 10)]))
        (alert,) = self.alerts(engine)
        assert len(excluded_intervals(engine, MONITOR)) == 1
        close(engine, alert.id, "ada", clock=clock)
        assert len(excluded_intervals(engine, MONITOR)) == 1
        label(engine, alert.id, Verdict.FALSE, "ada", clock=clock)
        assert excluded_intervals(engine, MONITOR) == []

    def test_who_stops_under_it_is_told_when_it_ends(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """Unless the entity sends again before: then its alert closes, and nobody was told."""
        add_silence(engine, planned(0, 600), clock)
        stops = tuple(StoppedSending(f"rig-{rig}", 0, rig, at(rig), 7, 3.0) for rig in (1, 2))
        here = (OffsetMove(0, 0, 0),)
        clock.advance(60)
        store.commit(Outcome(MONITOR, SOURCE, here, stopped=stops))
        assert [alert.status for alert in self.alerts(engine)] == [AlertStatus.SILENCED] * 2
        clock.advance(500)
        store.commit(Outcome(MONITOR, SOURCE, here, heard={"rig-1": at(560)}))
        assert self.told(engine) == []
        clock.advance(60)
        store.commit(Outcome(MONITOR, SOURCE, here))
        first, second = self.alerts(engine)
        assert (first.status, second.status) == (AlertStatus.CLOSED, AlertStatus.OPEN)
        assert set(self.told(engine)) == {second.id}

    def test_it_is_tried_on_the_past(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """How many entities it names, what it would have hidden, and whether somebody called that real."""
        states = tuple(EntityState(name, 0, at(1), 5, False) for name in ("rig-1", "rig-2", "pump-1"))
        store.commit(Outcome(MONITOR, SOURCE, (OffsetMove(0, 0, 0),), entities=states))
        store.commit(outcome(0, 2, [flagged(0, 0), flagged(1, 1, "pump-1")]))
        label(engine, self.alerts(engine)[0].id, Verdict.TRUE, "ada", clock=clock)
        rule = Silence(MONITOR, "backup", "ada", "rig-?", weekly=parse_weekly("Sun 11:30-12:30"))
        found = preview_silence(engine, rule, at(60))
        assert (found.entities, found.entities_known, found.named) == (2, 3, ("rig-1", "rig-2"))
        assert (found.hidden, found.hidden_in_part, found.confirmed) == (1, 0, 1)
        week = timedelta(days=7)
        assert [begin for begin, _ in found.windows] == [at(-1800), at(-1800) + week, at(-1800) + 2 * week]

    @pytest.mark.parametrize(
        ("silence", "problem"),
        [
            (Silence(MONITOR, " ", "ada", start=at(0), end=at(1)), "reason"),
            (Silence(MONITOR, "work", " ", start=at(0), end=at(1)), "author"),
            (Silence(MONITOR, "work", "ada", entity="", start=at(0), end=at(1)), "entity"),
            (Silence(MONITOR, "work", "ada", start=at(0)), "from when to when"),
            (Silence(MONITOR, "work", "ada", start=at(1), end=at(1)), "would end"),
            (Silence(MONITOR, "work", "ada", weekly=parse_weekly("daily 1:00-2:00"), timezone="Mars/City"), "Mars"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, store: AlertStore, engine: Engine, silence: Silence, problem: str
    ) -> None:
        """With what to correct; nothing is written."""
        with pytest.raises(InvalidInput, match=problem):
            add_silence(engine, silence)
        assert listed_silences(engine, at(0), finished=True) == []

    def test_one_that_is_not_there_is_not_taken_back(self, engine: Engine) -> None:
        """The error says where to look."""
        with pytest.raises(NotFound, match="silences list"):
            remove_silence(engine, 12, "ada")
