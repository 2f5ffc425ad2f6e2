"""What is sent of an incident from open to over: to whom, under one key, with what it was last time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.bulk_review import BulkAction, Said, act_on_many
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.outbox import Notifier
from latentwatch.alerts.reading import AlertFilter, inbox, incident_events, incident_inbox
from latentwatch.alerts.reminding import remind
from latentwatch.alerts.reviewing import acknowledge, label
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import NotificationRow
from latentwatch.domain.alert import AlertStatus, FlaggedRecord, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.outcome import EntityState
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome

PUMP = parse_monitor(
    """
name: pump
source: {kafka: {topic: plant.pump}}
record: {features: {Pressure: numeric}}
alert: {notify: [oncall, desk], notify_from: {oncall: high}, remind: 2h, settle: 0s}
"""
)
HOUR = 3_600.0


def pressed(offset: int, seconds: float, surprise: float = 3.5, **more: str) -> FlaggedRecord:
    """A flagged record that is about the pressure."""
    record = flagged(offset, seconds, surprise=surprise, **more)
    return replace(record, explanation=replace(record.explanation, contributions={"Pressure": 3.0}))


class MessagesContract:
    """Promises about what is sent of an incident."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        register_monitor(engine, PUMP, clock)
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        return store

    def told(self, engine: Engine, channel: str) -> list[tuple[str, str]]:
        """Occasion and title of what a channel was told, in order."""
        row = NotificationRow
        with reading(engine) as session:
            found = session.execute(select(row.occasion, row.title).where(row.channel == channel).order_by(row.id))
            return [(occasion, title) for occasion, title in found]

    def keys(self, engine: Engine) -> set[str]:
        """What the receivers call what they were told of."""
        with reading(engine) as session:
            return set(session.scalars(select(NotificationRow.key)))

    def over(self, store: AlertStore, offset: int, seconds: float, entity: str = "rig-1") -> None:
        """The entity is normal again."""
        normal = EntityState(entity, 0, at(seconds), offset, False)
        store.commit(replace(outcome(offset, offset + 1), entities=(normal,)))

    def test_where_records_stand_alone_later_ones_of_others_end_an_alert_and_nobody_is_told(
        self, engine: Engine, store: AlertStore
    ) -> None:
        """A card may never be used again: it would go on for ever, and people be reminded of it every four hours."""
        store.commit(outcome(0, 1, [pressed(0, 0)]))
        over = []
        for offset, seconds, alone in ((1, 4_000, False), (2, 30, True), (3, 4_000, True)):
            other = EntityState("rig-2", 0, at(seconds), offset, False)
            store.commit(replace(outcome(offset, offset + 1), entities=(other,), one_by_one=alone))
            over.append(inbox(engine, AlertFilter()).alerts[0].over)
        assert over == [False, False, True]  # of what has a pace, others tell nothing
        assert [occasion for occasion, _ in self.told(engine, "desk")] == ["opened"]

    def test_one_key_from_open_to_over(self, engine: Engine, store: AlertStore, clock: ManualClock) -> None:
        """Opened, critical, somebody is on it, over; a channel that asks for high hears from high on, to the end."""
        notifier = Notifier(engine, {}, clock)
        (alert,) = store.commit(outcome(0, 1, [pressed(0, 0)])).alerts_opened
        notifier.deliver()
        store.commit(outcome(1, 2, [pressed(1, 1, surprise=5.5)]))
        notifier.deliver()
        acknowledge(engine, alert, "Ada", clock=clock)
        store.commit(outcome(2, 3, [pressed(2, 2, surprise=9.0)]))
        self.over(store, 3, 4_000)
        assert self.told(engine, "desk") == [
            ("opened", "[low] pump / rig-1: not normal"),
            ("acknowledged", "[low] pump / rig-1: Ada is on it"),
            ("critical", "[critical] pump / rig-1: now critical"),
            ("over", "[low] pump / rig-1: normal again after 2 s"),
        ]
        assert [occasion for occasion, _ in self.told(engine, "oncall")] == [
            "opened",
            "acknowledged",
            "critical",
            "over",
        ]
        assert self.told(engine, "oncall")[0] == ("opened", "[high] pump / rig-1: not normal")
        assert self.keys(engine) == {f"alert-{MONITOR}-{SOURCE}[0]@0"}

    def test_a_channel_hears_nothing_below_what_it_asks_for(
        self, engine: Engine, store: AlertStore, clock: ManualClock
    ) -> None:
        """Neither of the beginning nor of the end, nor that somebody is on it."""
        (alert,) = store.commit(outcome(0, 1, [pressed(0, 0)])).alerts_opened
        act_on_many(engine, [alert], BulkAction.ACKNOWLEDGE, Said("Ada"), clock)
        self.over(store, 1, 4_000)
        assert self.told(engine, "oncall") == []
        assert [occasion for occasion, _ in self.told(engine, "desk")] == ["opened", "acknowledged", "over"]

    def test_it_is_told_again_as_long_as_nobody_is_on_it(
        self, engine: Engine, store: AlertStore, clock: ManualClock
    ) -> None:
        """Every two hours, and not once it is acknowledged, snoozed or over."""
        (alert,) = store.commit(outcome(0, 1, [pressed(0, 0)])).alerts_opened
        for _ in range(5):
            clock.advance(HOUR)
            remind(engine, clock.now())
            remind(engine, clock.now())
        assert self.told(engine, "desk")[1:] == [
            ("still", "[low] pump / rig-1: still open after 2 h"),
            ("still", "[low] pump / rig-1: still open after 4 h"),
        ]
        act_on_many(engine, [alert], BulkAction.ACKNOWLEDGE, Said("Ada"), clock)
        clock.advance(9 * HOUR)
        remind(engine, clock.now())
        assert len(self.told(engine, "desk")) == 4
        self.over(store, 1, 4_000)
        act_on_many(engine, [alert], BulkAction.REOPEN, Said("Ada"), clock)
        clock.advance(9 * HOUR)
        remind(engine, clock.now())
        assert [occasion for occasion, _ in self.told(engine, "desk")][-1] == "over"

    def test_when_a_snooze_ends_it_is_told_again(self, engine: Engine, store: AlertStore, clock: ManualClock) -> None:
        """Where it still goes on; in between nothing is said, also where no scorer runs."""
        (alert,) = store.commit(outcome(0, 1, [pressed(0, 0)])).alerts_opened
        until = clock.now() + timedelta(hours=3)
        act_on_many(engine, [alert], BulkAction.SNOOZE, Said("Ada", until=until), clock)
        for _ in range(3):
            assert len(self.told(engine, "desk")) == 1
            clock.advance(HOUR)
            remind(engine, clock.now())
        assert self.told(engine, "desk")[1:] == [("still", "[low] pump / rig-1: still open after 3 h")]

    def test_what_it_was_last_time(self, engine: Engine, store: AlertStore, clock: ManualClock) -> None:
        """The latest alert alike of the entity that people judged; not another entity's, nor one about something else."""
        (first,) = store.commit(outcome(0, 1, [pressed(0, 0)])).alerts_opened
        (second,) = store.commit(outcome(1, 2, [pressed(1, 9_000)])).alerts_opened
        (other,) = store.commit(outcome(2, 3, [flagged(2, 18_000)])).alerts_opened
        (stranger,) = store.commit(outcome(3, 4, [pressed(3, 19_000, entity="rig-2")])).alerts_opened
        label(engine, first, Verdict.FALSE, "Ada", "filter cleaned", clock=clock)
        label(engine, second, Verdict.TRUE, "Ada", "valve 3 stuck", "spring replaced", clock=clock)
        label(engine, other, Verdict.TRUE, "Ada", "something else", clock=clock)
        label(engine, stranger, Verdict.TRUE, "Ada", "another rig", clock=clock)
        store.commit(outcome(4, 5, [pressed(4, 30_000)]))
        with reading(engine) as session:
            bodies = session.scalars(
                select(NotificationRow.body).where(NotificationRow.channel == "desk").order_by(NotificationRow.id)
            ).all()
        assert bodies[-1].endswith(
            f" Last time, 2026-03-01 14:30 UTC (alert {second}): real, valve 3 stuck: spring replaced."
        )
        assert "Last time" not in bodies[0] + bodies[1]

    def test_what_comes_back_reopens_its_incident(self, engine: Engine, store: AlertStore, clock: ManualClock) -> None:
        """Under the same key, with its history; once it is later than that, or about something else, it is another."""
        notifier, rule = Notifier(engine, {}, clock), PUMP.incident_rule(1.0)

        def commit(offset: int, record: FlaggedRecord) -> None:
            store.commit(replace(outcome(offset, offset + 1, [record]), incident_rule=rule))
            notifier.deliver()

        def over(offset: int, seconds: float) -> None:
            self.over(store, offset, seconds)
            notifier.deliver()

        commit(0, pressed(0, 0))
        (first,) = inbox(engine, AlertFilter()).alerts
        label(engine, first.id, Verdict.TRUE, "Ada", "valve 3 stuck", clock=clock)
        over(1, 400)
        commit(2, pressed(2, 550))
        (incident,) = incident_inbox(engine, AlertFilter()).incidents
        assert (incident.count, incident.status, incident.over) == (2, AlertStatus.OPEN, False)
        assert [each.kind for each in incident_events(engine, incident.id)] == ["labelled", "over"]
        over(3, 1_000)
        commit(4, pressed(4, 1_100))
        over(5, 1_500)
        assert [occasion for occasion, _ in self.told(engine, "desk")] == [
            "opened",
            "over",
            "again",
            "over",
            "again",
            "over",
        ]
        assert self.told(engine, "desk")[2] == ("again", "[low] pump / rig-1: not normal again")
        assert len(self.keys(engine)) == 1
        commit(6, pressed(6, 4_800))
        assert incident_inbox(engine, AlertFilter()).total == 2
