"""Where an alert is in people's hands: snoozed and awake again, assigned, commented, with a history that nobody changes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import DBAPIError

from latentwatch.alerts.bulk_review import BulkAction, Said, act_on_many, undo
from latentwatch.alerts.monitor_upkeep import remove_monitor
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import AlertFilter, alert_detail, inbox, incident_events, incident_inbox
from latentwatch.alerts.retention import Ages, prune
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertEventRow, AlertRow, LabelRow
from latentwatch.domain.alert import Alert, AlertStatus
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.outcome import EntityState
from tests.alerts.build import MONITOR, SOURCE, START, at, flagged, outcome

ANN = "Ann"
LATER = START + timedelta(minutes=30)
WATCHED = parse_monitor(
    f"{{name: {MONITOR}, source: {{file: {{path: x.csv}}}}, record: {{entity: rig, features: {{flow: numeric}}}}}}"
)


class LifecycleContract:
    """Promises about alerts in people's hands."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        return store

    @pytest.fixture
    def alert(self, store: AlertStore) -> int:
        (opened,) = store.commit(outcome(0, 1, [flagged(0)])).alerts_opened
        return opened

    def found(self, engine: Engine) -> Alert:
        """The only alert."""
        (alert,) = inbox(engine, AlertFilter()).alerts
        return alert

    def happened(self, engine: Engine, alert: int) -> list[tuple[str, str]]:
        """Kind and note of what happened to it."""
        detail = alert_detail(engine, alert)
        assert detail is not None
        return [(event.kind, event.note) for event in detail.events]

    def test_a_snoozed_alert_is_open_again_at_its_time(
        self, engine: Engine, store: AlertStore, clock: ManualClock, alert: int
    ) -> None:
        """What comes meanwhile joins it, and does not wake it."""
        act_on_many(engine, [alert], BulkAction.SNOOZE, Said(ANN, note="known", until=LATER), clock)
        clock.advance(60)
        assert store.commit(outcome(1, 2, [flagged(1)])).alerts_extended == (alert,)
        assert (self.found(engine).status, self.found(engine).snoozed_until) == (AlertStatus.SNOOZED, LATER)
        assert incident_inbox(engine, AlertFilter()).incidents[0].status is AlertStatus.SNOOZED
        clock.advance(30 * 60)
        store.commit(outcome(2, 3))
        assert (self.found(engine).status, self.found(engine).snoozed_until) == (AlertStatus.OPEN, None)
        assert self.happened(engine, alert) == [
            ("snoozed", "until 2026-03-01 12:30 UTC: known"),
            ("woke", "its snooze has ended"),
        ]

    def test_without_a_time_it_is_open_again_once_it_is_over(
        self, engine: Engine, store: AlertStore, clock: ManualClock, alert: int
    ) -> None:
        """Then it waits for a label; one that is over already cannot be put off so."""
        act_on_many(engine, [alert], BulkAction.SNOOZE, Said(ANN), clock)
        clock.advance(86_400)
        store.commit(outcome(1, 2))
        assert self.found(engine).status is AlertStatus.SNOOZED
        normal = EntityState("rig-1", 0, at(4_000), 5, False)
        store.commit(replace(outcome(2, 3), entities=(normal,)))
        assert (self.found(engine).status, self.found(engine).over) == (AlertStatus.OPEN, True)
        assert act_on_many(engine, [alert], BulkAction.SNOOZE, Said(ANN), clock).changed == ()

    def test_what_becomes_critical_is_open_again(
        self, engine: Engine, store: AlertStore, clock: ManualClock, alert: int
    ) -> None:
        """Nobody meant to put off something that bad."""
        act_on_many(engine, [alert], BulkAction.SNOOZE, Said(ANN, until=LATER), clock)
        store.commit(outcome(1, 2, [flagged(1, surprise=9.0)]))
        assert (self.found(engine).status, self.found(engine).snoozed_until) == (AlertStatus.OPEN, None)
        assert ("woke", "it became critical") in self.happened(engine, alert)

    def test_assigned_and_commented(self, engine: Engine, clock: ManualClock, alert: int) -> None:
        """Found by whose care it is in; a comment is no change that could be taken back."""
        assert act_on_many(engine, [alert], BulkAction.ASSIGN, Said(ANN, assignee=" Bo "), clock).changed == (alert,)
        assert act_on_many(engine, [alert], BulkAction.ASSIGN, Said(ANN, assignee="Bo"), clock).changed == ()
        assert inbox(engine, AlertFilter(assignee="Bo")).total == 1
        assert inbox(engine, AlertFilter(assignee="")).total == 0
        said = act_on_many(engine, [alert], BulkAction.COMMENT, Said("Bo", note="valve swapped"), clock)
        assert (said.id, said.changed) == (None, (alert,))
        assert self.happened(engine, alert) == [("assigned", "to Bo"), ("commented", "valve swapped")]
        assert [(one.kind, one.alerts) for one in incident_events(engine, alert)] == [("assigned", 1), ("commented", 1)]

    def test_taken_back_it_stands_as_before(self, engine: Engine, clock: ManualClock, alert: int) -> None:
        """Snooze and assignee too, each by its own action, and only where nobody changed it since."""
        assigned = act_on_many(engine, [alert], BulkAction.ASSIGN, Said(ANN, assignee="Bo"), clock)
        snoozed = act_on_many(engine, [alert], BulkAction.SNOOZE, Said(ANN, until=LATER), clock)
        closed = act_on_many(engine, [alert], BulkAction.CLOSE, Said(ANN), clock)
        assert assigned.id is not None
        assert snoozed.id is not None
        assert closed.id is not None
        assert undo(engine, closed.id, ANN, clock).changed == (alert,)
        assert (self.found(engine).status, self.found(engine).snoozed_until) == (AlertStatus.SNOOZED, LATER)
        assert undo(engine, assigned.id, ANN, clock).changed == ()
        assert undo(engine, snoozed.id, ANN, clock).changed == (alert,)
        assert (self.found(engine).status, self.found(engine).assignee) == (AlertStatus.OPEN, "Bo")

    @pytest.mark.parametrize(
        ("action", "said", "problem"),
        [
            (BulkAction.SNOOZE, Said(ANN, until=START), "has passed"),
            (BulkAction.COMMENT, Said(ANN, note=" "), "the comment is empty"),
            (BulkAction.ASSIGN, Said(" ", assignee="Bo"), "author"),
        ],
    )
    def test_mistakes_are_named(
        self, engine: Engine, clock: ManualClock, alert: int, action: BulkAction, said: Said, problem: str
    ) -> None:
        """And nothing is written."""
        with pytest.raises(InvalidInput, match=problem):
            act_on_many(engine, [alert], action, said, clock)
        assert (self.found(engine).status, self.found(engine).assignee) == (AlertStatus.OPEN, "")
        assert self.happened(engine, alert) == []

    def test_nobody_changes_the_history(self, engine: Engine, clock: ManualClock, alert: int) -> None:
        """The database itself refuses, whoever asks."""
        act_on_many(engine, [alert], BulkAction.TRUE, Said(ANN, cause="valve"), clock)
        for row, changed in ((AlertEventRow, {"author": "Bo"}), (LabelRow, {"cause": "nothing"})):
            with pytest.raises(DBAPIError, match="never changed"), engine.begin() as connection:
                connection.execute(update(row).values(changed))
        with engine.connect() as connection:
            assert connection.scalars(select(LabelRow.cause)).all() == ["valve"]

    def test_nobody_deletes_the_history(self, engine: Engine, clock: ManualClock, alert: int) -> None:
        """Neither row by row nor with the alert; it goes with the monitor, as a whole."""
        register_monitor(engine, WATCHED, clock)
        act_on_many(engine, [alert], BulkAction.TRUE, Said(ANN, cause="valve"), clock)
        before = self.happened(engine, alert)
        for row in (AlertEventRow, LabelRow):
            with pytest.raises(DBAPIError, match="kept as long as its alert"), engine.begin() as connection:
                connection.execute(delete(row))
        with pytest.raises(DBAPIError), engine.begin() as connection:  # a label refers to it
            connection.execute(delete(AlertRow))
        assert self.happened(engine, alert) == before != []
        removed = remove_monitor(engine, MONITOR, clock.now())
        assert (removed["labels"], removed["alert_events"], removed["alerts"]) == (1, len(before), 1)

    def test_retention_takes_a_history_with_its_alert(self, engine: Engine, clock: ManualClock, alert: int) -> None:
        """Of one that was closed without a label, long ago."""
        register_monitor(engine, WATCHED, clock)
        act_on_many(engine, [alert], BulkAction.CLOSE, Said(ANN), clock)
        assert prune(engine, Ages(), clock.now() + timedelta(days=400))["alerts"] == 1
        with engine.connect() as connection:
            assert connection.scalars(select(AlertEventRow.id)).all() == []
