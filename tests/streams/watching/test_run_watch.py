"""Runs that should have come and did not: live and in a backlog, of one entity alone, told once whoever dies."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import Alert, AlertKind, AlertStatus
from latentwatch.streams.testing import FakeDetector
from tests.streams.stage import Stage, record

HOUR = 3_600.0
TURN = 900.0
START = datetime(2026, 1, 1, tzinfo=UTC)
NEARLY = timedelta(minutes=16)
"""How exactly the stage keeps its hours."""


class HourlyStage(Stage):
    """Jobs that send a record an hour, over the real store."""

    def __init__(self, engine: Engine, late_seconds: int = 0) -> None:
        super().__init__(late_seconds=late_seconds)
        self.detector.cadence = HOUR
        self.store = AlertStore(engine, self.monitor.name, self.clock)  # type: ignore[assignment]
        self.engine = engine
        self.jobs = {"backup"}
        self.hours = 0

    @property
    def detector(self) -> FakeDetector:
        """The model that serves."""
        return self.bundles.detectors["first"]

    def send(self, *, hours_ago: float = 0.0) -> None:
        """Each job's record, of now unless it comes late."""
        at = (self.clock.now() - timedelta(hours=hours_ago)).timestamp()
        for job in sorted(self.jobs):
            self.broker.produce(record(self.hours, at=at, rig=job, b=0.5))

    def live(self, hours: float, *, hours_ago: float = 0.0) -> None:
        """A new process scores for so long while the jobs run, then dies."""
        source = self.broker.join(finite=False)
        source.live = True
        scorer = self.scorer(source=source, snapshot_seconds=20.0)
        scorer.begin(self.stop)
        for _ in range(round(hours * HOUR / TURN)):
            if self.clock.monotonic() >= self.hours * HOUR:
                self.hours += 1
                self.send(hours_ago=hours_ago)
            scorer.turn(self.stop)
            self.clock.advance(TURN)
        scorer.turn(self.stop)
        scorer.finish(self.stop)
        self.broker.leave(source)

    def alerts(self) -> list[Alert]:
        """All there are, oldest first."""
        return sorted(inbox(self.engine, AlertFilter(monitor="pump"), limit=100).alerts, key=lambda alert: alert.id)


@pytest.fixture
def engine(tmp_path: Path):
    """A migrated database."""
    engine = open_database(f"sqlite:///{tmp_path}/alerts.db")
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_job_that_is_alone_is_missed_after_two_runs(engine: Engine) -> None:
    """One alert from when the run was due, told while the second is still to come; it ends when a run comes, and stays to be seen."""
    stage = HourlyStage(engine)
    stage.live(6)
    stage.jobs = set()
    stage.live(0.5)
    assert stage.alerts() == [], "half an hour late is late"
    stage.live(1)
    (alert,) = stage.alerts()
    assert (alert.kind, alert.entity, alert.status, alert.over) == (
        AlertKind.MISSED_RUN, "backup", AlertStatus.OPEN, False,
    )  # fmt: skip
    assert alert.started == pytest.approx(START + timedelta(hours=6), abs=NEARLY)
    for _ in range(3):  # whatever dies meanwhile
        stage.live(1)
    assert [found.id for found in stage.alerts()] == [alert.id]
    stage.jobs = {"backup"}
    stage.live(1)
    (alert,) = stage.alerts()
    assert (alert.status, alert.over) == (AlertStatus.OPEN, True)
    assert alert.ended - alert.started == pytest.approx(timedelta(hours=5), abs=NEARLY)
    stage.live(3)
    stage.jobs = set()
    stage.live(3)
    assert len(stage.alerts()) == 2, "the next time is another alert"


def test_a_run_that_comes_late_closes_its_alert(engine: Engine) -> None:
    """Nothing is missing then, so there is nothing left to see."""
    stage = HourlyStage(engine)
    stage.live(6)
    stage.jobs = set()
    stage.live(3)
    stage.jobs = {"backup"}
    stage.send(hours_ago=3)
    stage.jobs = set()
    stage.live(0.5)
    (alert,) = stage.alerts()
    assert (alert.kind, alert.status, alert.over) == (AlertKind.MISSED_RUN, AlertStatus.CLOSED, True)


def test_nobody_is_told_twice_of_one_cause(engine: Engine) -> None:
    """A job that stays away among others for days has one alert, not one of a missed run and one of stopped sending."""
    stage = HourlyStage(engine)
    stage.jobs = {"backup", "report", "sync"}
    stage.live(12)
    stage.jobs = {"report", "sync"}
    stage.live(12)
    assert [(alert.kind, alert.entity) for alert in stage.alerts()] == [(AlertKind.MISSED_RUN, "backup")]


def test_a_backlog_is_read_by_its_event_time(engine: Engine) -> None:
    """What was missed while nobody read is told of each time, over already, once however often it is read."""
    stage = HourlyStage(engine)
    start = stage.clock.now().timestamp()
    for hour in (*range(5), *range(7, 12), *range(15, 20)):
        stage.broker.produce(record(hour, at=start + hour * HOUR, rig="backup", b=0.5))
    stage.clock.advance(20 * HOUR)
    stage.run()
    found = stage.alerts()
    assert [(alert.started.hour, alert.ended.hour, alert.over) for alert in found] == [(5, 7, True), (12, 15, True)]
    assert {alert.status for alert in found} == {AlertStatus.OPEN}
    stage.live(1)
    assert [alert.id for alert in stage.alerts()] == [alert.id for alert in found]


def test_records_that_arrive_hours_after_their_time_miss_nothing(engine: Engine) -> None:
    """A pipeline's delay is learned, and remembered over a restart."""
    stage = HourlyStage(engine)
    stage.live(5, hours_ago=6)
    stage.live(5, hours_ago=6)
    assert stage.alerts() == []
    stage.jobs = set()
    stage.live(2.2)
    assert len(stage.alerts()) == 1


def test_nights_that_training_saw_are_no_missed_runs(engine: Engine) -> None:
    """Where a pause recurs in the history, only a longer one is told."""
    stage = HourlyStage(engine)
    stage.detector.recurring_gap = 14 * HOUR
    stage.live(6)
    stage.jobs = set()
    stage.live(13)
    assert stage.alerts() == []
    stage.live(3)
    assert len(stage.alerts()) == 1


@pytest.mark.parametrize("cadence", [0.0, 5.0])
def test_only_slow_and_regular_records_are_runs(engine: Engine, cadence: float) -> None:
    """Of records that come all the time, or as they like, the watch over stopped entities speaks."""
    stage = HourlyStage(engine)
    stage.detector.cadence = cadence
    stage.live(6)
    stage.jobs = set()
    stage.live(4)
    stage.jobs = {"backup"}
    stage.live(1)
    assert stage.alerts() == []


def test_a_late_record_is_waited_for(engine: Engine) -> None:
    """Where the monitor lets records come an hour late, a run is missed an hour later."""
    stage = HourlyStage(engine, late_seconds=3_600)
    stage.live(6)
    stage.jobs = set()
    stage.live(1.5)
    assert stage.alerts() == []
    stage.live(1)
    assert len(stage.alerts()) == 1
