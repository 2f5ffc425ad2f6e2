"""StoppedSending from the stream to the database: the scorer and the real store together, over processes that die."""

from pathlib import Path

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import AlertKind, AlertStatus
from tests.streams.watching.test_stopped_sending import LiveStage


def test_one_alert_each_time_whatever_dies(tmp_path: Path) -> None:
    """It opens once though every process dies soon after, closes with the next record, and the next time is another."""
    engine = open_database(f"sqlite:///{tmp_path}/alerts.db")
    migrate(engine)
    stage = LiveStage()
    stage.store = AlertStore(engine, stage.monitor.name, stage.clock)  # type: ignore[assignment]

    def stopped() -> list[AlertStatus]:
        found = inbox(engine, AlertFilter(monitor="pump"), limit=100).alerts
        return [alert.status for alert in found if alert.kind is AlertKind.STOPPED_SENDING and alert.entity == "rig-1"]

    stage.live(60)
    stage.rigs = {0}
    for _ in range(3):
        stage.live(45)
    assert stopped() == [AlertStatus.OPEN]
    stage.rigs = {0, 1}
    stage.live(3)
    assert stopped() == [AlertStatus.CLOSED]
    stage.live(20)
    stage.rigs = {0}
    for _ in range(2):
        stage.live(45)
    assert sorted(stopped()) == [AlertStatus.CLOSED, AlertStatus.OPEN]
    engine.dispose()
