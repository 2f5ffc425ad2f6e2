"""The alerts room on real PostgreSQL: the promises that tests/alerts/ holds SQLite to, and those of its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine, text

from latentwatch.alerts.columns import Row
from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.session import transaction
from latentwatch.alerts.tables import MonitorRow
from latentwatch.domain.clock import ManualClock
from tests.alerts.build import START
from tests.alerts.contract.amending import AmendingContract
from tests.alerts.contract.bulk_review import BulkReviewContract
from tests.alerts.contract.courses import CourseContract
from tests.alerts.contract.exceptions import ExceptionContract
from tests.alerts.contract.grouping import GroupingContract
from tests.alerts.contract.housekeeping import HousekeepingContract
from tests.alerts.contract.incidents import IncidentContract
from tests.alerts.contract.kinds import KindsContract
from tests.alerts.contract.labels import LabelsContract
from tests.alerts.contract.lifecycle import LifecycleContract
from tests.alerts.contract.messages import MessagesContract
from tests.alerts.contract.migrations import MigrationContract
from tests.alerts.contract.missed_runs import MissedRunsContract
from tests.alerts.contract.missed_stretches import MissedStretchContract
from tests.alerts.contract.monitor_upkeep import MonitorUpkeepContract
from tests.alerts.contract.offsets import OffsetsContract
from tests.alerts.contract.outbox import OutboxContract
from tests.alerts.contract.registry import RegistryContract
from tests.alerts.contract.reviewing import ReviewingContract
from tests.alerts.contract.silences import SilencesContract
from tests.alerts.contract.stakes import StakesContract
from tests.alerts.contract.steps import StepContract
from tests.alerts.contract.stopped_sending import StoppedSendingContract
from tests.alerts.contract.store import StoreContract
from tests.alerts.contract.unread import UnreadContract


@pytest.fixture(scope="module")
def migrated(fresh_database: Callable[[], AbstractContextManager[str]]) -> Iterator[Engine]:
    """A migrated database that the tests of this module share."""
    with fresh_database() as url:
        engine = open_database(url)
        migrate(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """A migrated, empty database."""
    with transaction(migrated) as session:
        session.execute(MonitorRow.__table__.delete())  # or the database keeps what people said
        for table in reversed(Row.metadata.sorted_tables):
            session.execute(table.delete())
    return migrated


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at the tests' beginning."""
    return ManualClock(START)


class TestLabels(LabelsContract):
    """What labels say, as PostgreSQL counts it."""


class TestKinds(KindsContract):
    """Kinds of alerts, as PostgreSQL lists them."""


class TestStore(StoreContract):
    """The store's promises, kept by PostgreSQL."""


class TestCourses(CourseContract):
    """On PostgreSQL."""


class TestExceptions(ExceptionContract):
    """Promises about exceptions, kept by PostgreSQL."""


class TestMissedStretches(MissedStretchContract):
    """Promises about missed stretches, kept by PostgreSQL."""


class TestLifecycle(LifecycleContract):
    """Promises about alerts in people's hands, kept by PostgreSQL."""


class TestStakes(StakesContract):
    """Promises about what is at stake, kept by PostgreSQL."""


class TestMessages(MessagesContract):
    """Promises about what is sent of an incident, kept by PostgreSQL."""


class TestOffsets(OffsetsContract):
    """Offsets moved by hand, kept by PostgreSQL."""


class TestMonitorUpkeep(MonitorUpkeepContract):
    """Promises about a monitor's name and its end, kept by PostgreSQL."""


class TestStoppedSending(StoppedSendingContract):
    """Entities that stopped sending, kept by PostgreSQL."""


class TestMissedRuns(MissedRunsContract):
    """Runs that did not come, kept by PostgreSQL."""


class TestAmending(AmendingContract):
    """Amended decisions, kept by PostgreSQL."""


class TestGrouping(GroupingContract):
    """The promises about alerts, kept by PostgreSQL."""


class TestIncidents(IncidentContract):
    """Incidents, kept by PostgreSQL."""


class TestBulkReview(BulkReviewContract):
    """Many alerts at once, kept by PostgreSQL."""


class TestSteps(StepContract):
    """Lasting changes, kept by PostgreSQL."""


class TestRegistry(RegistryContract):
    """The registry's promises, kept by PostgreSQL."""


class TestReviewing(ReviewingContract):
    """The promises about people's decisions, kept by PostgreSQL."""


class TestOutbox(OutboxContract):
    """The outbox's promises, kept by PostgreSQL."""


class TestHousekeeping(HousekeepingContract):
    """The promises of what surrounds the store, kept by PostgreSQL."""


class TestUnread(UnreadContract):
    """The promises of unread values, kept by PostgreSQL."""


class TestMigrations(MigrationContract):
    """The schema's promises, kept by PostgreSQL."""

    @pytest.fixture
    def empty_url(self, postgres_url: str) -> str:
        return postgres_url


@pytest.mark.parametrize(("durable", "setting"), [(True, "on"), (False, "off")])
def test_only_who_cannot_repeat_waits_for_the_disk(engine: Engine, durable: bool, setting: str) -> None:
    """A relaxed transaction does not wait for the log to reach the disk; the next one on the connection does again."""
    with transaction(engine, durable=False):
        pass
    with transaction(engine, durable=durable) as session:
        assert session.execute(text("SHOW synchronous_commit")).scalar() == setting


class TestSilences(SilencesContract):
    """Silences, kept by PostgreSQL."""
