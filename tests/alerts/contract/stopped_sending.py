"""Alerts about entities that stopped sending: one for each time, closed in the transaction of the next record."""

from datetime import datetime

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reviewing import acknowledge, close
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertEventRow, AlertRow, NotificationRow
from latentwatch.domain.alert import AlertKind, AlertStatus
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import PartitionLost
from latentwatch.domain.outcome import OffsetMove, Outcome, StoppedSending
from tests.alerts.build import MONITOR, SOURCE, at
from tests.alerts.contract.outbox import PUMP


def quiet(entity: str, offset: int = 10) -> StoppedSending:
    """An entity that stopped after the record of that offset."""
    return StoppedSending(entity, 0, offset, at(offset), 7, 3.0)


class StoppedSendingContract:
    """Promises about entities that stopped sending."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        return store

    def give(
        self, store: AlertStore, *stops: StoppedSending, heard: dict[str, datetime] | None = None
    ) -> tuple[int, ...]:
        """Commit these; the alerts that it opened."""
        here = store.positions(SOURCE)[0]
        moves = (OffsetMove(0, here, here),)
        return store.commit(Outcome(MONITOR, SOURCE, moves, stopped=stops, heard=heard or {})).alerts_opened

    def alerts(self, engine: Engine) -> list[AlertRow]:
        """Every alert, oldest first."""
        with reading(engine) as session:
            return list(session.scalars(select(AlertRow).order_by(AlertRow.id)))

    def test_stopping_opens_one_alert_and_sending_closes_it(self, store: AlertStore, engine: Engine) -> None:
        """It lasts from the last record before it to the first after it; its end is in the alert's history."""
        opened = self.give(store, quiet("rig-1"), quiet("rig-2", 11))
        assert len(opened) == 2
        self.give(store, heard={"rig-1": at(500), "rig-9": at(500)})
        first, second = self.alerts(engine)
        assert (first.kind, first.status, first.started, first.ended, first.records) == (
            AlertKind.STOPPED_SENDING, AlertStatus.CLOSED, at(10), at(500), 0,
        )  # fmt: skip
        assert second.status is AlertStatus.OPEN
        with reading(engine) as session:
            assert [(event.alert_id, event.kind) for event in session.scalars(select(AlertEventRow))] == [
                (first.id, "closed")
            ]

    def test_the_same_stop_is_told_once(self, store: AlertStore, engine: Engine) -> None:
        """Noticed again after a restart, open, acknowledged or put away by people, it stays the one alert."""
        (alert,) = self.give(store, quiet("rig-1"))
        assert self.give(store, quiet("rig-1")) == ()
        acknowledge(engine, alert, "ann")
        assert self.give(store, quiet("rig-1")) == ()
        close(engine, alert, "ann")
        assert self.give(store, quiet("rig-1")) == ()
        self.give(store, heard={"rig-1": at(500)})
        assert len(self.give(store, quiet("rig-1", 20))) == 1
        assert len(self.alerts(engine)) == 2

    def test_a_process_that_lost_the_partition_tells_nothing(self, store: AlertStore, engine: Engine) -> None:
        """The fence holds here too: who read on elsewhere knows better."""
        stale = Outcome(MONITOR, SOURCE, (OffsetMove(0, 5, 5),), stopped=(quiet("rig-1"),))
        with pytest.raises(PartitionLost):
            store.commit(stale)
        assert self.alerts(engine) == []

    def test_people_are_told_in_its_own_words(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """One message a channel, in the transaction that opens the alert."""
        register_monitor(engine, PUMP, clock)
        (alert,) = self.give(store, quiet("rig-1"))
        self.give(store, quiet("rig-1"))
        with reading(engine) as session:
            messages = list(session.scalars(select(NotificationRow)))
        assert {message.alert_id for message in messages} == {alert}
        assert len(messages) == len(PUMP.alert.notify)
        assert all("stopped sending" in message.title for message in messages)

    def test_many_entities_at_once(self, store: AlertStore, engine: Engine) -> None:
        """Thousands that stop and send again do not exceed what a statement may hold."""
        names = [f"rig-{number}" for number in range(2_500)]
        assert len(self.give(store, *(quiet(name) for name in names))) == 2_500
        self.give(store, heard=dict.fromkeys(names, at(900)))
        assert all(alert.status is AlertStatus.CLOSED for alert in self.alerts(engine))

    def test_a_partition_is_told_beside_its_entities(self, store: AlertStore, engine: Engine) -> None:
        """Its own name opens and closes its alert; one that an entity has stays open until that entity speaks."""
        self.give(store, quiet("rig-1"))
        assert len(self.give(store, quiet("plant.pump[0]", 11))) == 1
        assert self.give(store, quiet("plant.pump[0]", 11)) == ()
        self.give(store, heard={"plant.pump[0]": at(500), "rig-2": at(500)})
        assert [(alert.entity, alert.status) for alert in self.alerts(engine)] == [
            ("rig-1", AlertStatus.OPEN),
            ("plant.pump[0]", AlertStatus.CLOSED),
        ]
