"""The schema's promises: one history, up and down, equal to the tables that the code reads, safe to run twice at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from alembic.config import Config
from pytest_alembic import tests as alembic_tests
from pytest_alembic.runner import MigrationContext
from sqlalchemy import Engine, Integer, bindparam, inspect, select, text

from latentwatch.alerts.columns import Row
from latentwatch.alerts.database import alembic_config as latentwatch_config
from latentwatch.alerts.database import migrate, open_database, schema_is_current
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import KeptTraceRow
from latentwatch.domain.errors import InvalidInput


class MigrationContract:
    """Promises of the migrations; asks for `empty_url`, the address of a database without any table."""

    @pytest.fixture
    def alembic_config(self) -> Config:
        return latentwatch_config(None)

    @pytest.fixture
    def alembic_engine(self, empty_url: str) -> Iterator[Engine]:
        engine = open_database(empty_url)
        yield engine
        engine.dispose()

    def test_single_head(self, alembic_runner: MigrationContext) -> None:
        """The history does not fork."""
        alembic_tests.test_single_head_revision(alembic_runner)

    def test_up_and_down(self, alembic_runner: MigrationContext) -> None:
        """Every revision can be applied and taken back."""
        alembic_tests.test_up_down_consistency(alembic_runner)

    def test_the_tables_are_what_the_code_reads(self, alembic_runner: MigrationContext) -> None:
        """The migrations' result has no difference from the classes in `latentwatch.alerts.tables`."""
        alembic_tests.test_model_definitions_match_ddl(alembic_runner)

    def test_down_to_nothing(self, alembic_runner: MigrationContext, alembic_engine: Engine) -> None:
        """Taking every revision back leaves no table and no index behind, and all can be applied again."""
        alembic_runner.migrate_up_to("heads")
        alembic_runner.migrate_down_to("base")
        with reading(alembic_engine) as session:
            assert inspect(session.connection()).get_table_names() == ["alembic_version"]
        alembic_runner.migrate_up_to("heads")
        with reading(alembic_engine) as session:
            assert set(inspect(session.connection()).get_table_names()) == {*Row.metadata.tables, "alembic_version"}

    def test_processes_that_start_at_once_take_turns(self, empty_url: str, alembic_engine: Engine) -> None:
        """Two engines that migrate the same empty database at once both end with today's schema."""
        assert not schema_is_current(alembic_engine)
        engines = [open_database(empty_url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(migrate, engines))
        for engine in engines:
            engine.dispose()
        assert schema_is_current(alembic_engine)

    def test_a_newer_schema_is_left_alone(self, alembic_engine: Engine) -> None:
        """A database that a later version has changed is refused with what to do."""
        migrate(alembic_engine)
        with transaction(alembic_engine) as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        assert not schema_is_current(alembic_engine)
        with pytest.raises(InvalidInput, match="install the version"):
            migrate(alembic_engine)

    def test_what_led_up_to_alerts_moves_along(self, alembic_runner: MigrationContext, alembic_engine: Engine) -> None:
        """Points that two alerts kept become one each, and both alerts have them again on the way back."""
        alembic_runner.migrate_up_to("0002")
        moments = [datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC) for second in range(5)]
        alerts = [(1, moments[2]), (2, moments[4])]
        points = [(1, moment) for moment in moments[:3]] + [(2, moment) for moment in moments]
        with transaction(alembic_engine) as session:
            for number, started in alerts:
                session.execute(_ALERT, {"id": number, "at": started})
            for number, moment in points:
                session.execute(_POINT, {"id": number, "at": moment})
        alembic_runner.migrate_up_to("0003")
        with reading(alembic_engine) as session:
            query = text("SELECT alert_id, time FROM kept_trace ORDER BY time")
            kept = session.execute(query.columns(alert_id=Integer, time=KeptTraceRow.since.type)).all()
            assert [tuple(each) for each in kept] == list(zip((1, 1, 1, 2, 2), moments, strict=True))
        alembic_runner.migrate_up_to("heads")
        with reading(alembic_engine) as session:
            pieces = session.execute(select(KeptTraceRow.alert_id, KeptTraceRow.points).order_by(KeptTraceRow.id)).all()
        shown = [(alert, point.time) for alert, points in pieces for point in points.points("rig-1")]
        assert shown == list(zip((1, 1, 1, 2, 2), moments, strict=True))
        alembic_runner.migrate_down_to("0002")
        with reading(alembic_engine) as session:
            query = text("SELECT alert_id, time FROM alert_trace ORDER BY alert_id, time")
            given = session.execute(query.columns(alert_id=Integer, time=KeptTraceRow.since.type)).all()
        assert [tuple(each) for each in given] == points

    def test_messages_without_an_alert_go_on_the_way_back(
        self, alembic_runner: MigrationContext, alembic_engine: Engine
    ) -> None:
        """A message about a model is dropped where there is no place for it; those about alerts keep all they had."""
        migrate(alembic_engine)
        with transaction(alembic_engine) as session:
            session.execute(_ALERT, {"id": 1, "at": datetime(2026, 3, 1, tzinfo=UTC)})
            for number, alert in ((1, 1), (2, None)):
                session.execute(_MESSAGE, {"id": number, "alert": alert, "at": datetime(2026, 3, 1, tzinfo=UTC)})
        alembic_runner.migrate_down_to("0004")
        alembic_runner.migrate_up_to("heads")
        with reading(alembic_engine) as session:
            assert session.execute(text("SELECT id, alert_id, dedupe_key FROM notifications")).all() == [(1, 1, "k1")]


_MESSAGE = text(
    "INSERT INTO notifications (id, monitor, alert_id, channel, dedupe_key, title, body, status, attempts, due, error, "
    "created) VALUES (:id, 'pump', :alert, 'oncall', 'k' || :id, '', '', 'due', 0, :at, '', :at)"
).bindparams(bindparam("at", type_=KeptTraceRow.since.type), bindparam("alert", type_=Integer))
_ALERT = text(
    "INSERT INTO alerts (id, monitor, entity, kind, status, severity, started, ended, records, peak_surprise, "
    "peak_source, peak_partition, peak_offset, threshold, model_version, features, created, updated) VALUES "
    "(:id, 'pump', 'rig-1', 'anomaly', 'open', 'warning', :at, :at, 1, 4, 's', 0, 0, 3, 1, '[]', :at, :at)"
).bindparams(bindparam("at", type_=KeptTraceRow.since.type))
_POINT = text(
    'INSERT INTO alert_trace (alert_id, time, surprise, reconstruction, density, flagged, "values") '
    "VALUES (:id, :at, 1, 1, 1, false, '{}')"
).bindparams(bindparam("at", type_=KeptTraceRow.since.type))
