"""A copy is the original, row by row, and is all there or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Engine, Enum, Integer, LargeBinary, Table, inspect, select, text
from sqlalchemy.exc import IntegrityError

from latentwatch.alerts.columns import BigKey, Floats, StorableNumber, UtcTime
from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.database_copy import copied_tables, copy_database
from latentwatch.alerts.heartbeats import Heartbeat, beat
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.trace_column import PackedTrace, pack
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.trace_block import TraceBlock, block_of_points
from tests.alerts.build import MONITOR, SOURCE, START, flagged, outcome, point

NOW = START + timedelta(days=1)
TEXTS = ("pump", "Größe ü\t\\N\n'\"", "漢字 🙂", "", "\\x00 {null}")
DOCUMENTS: tuple[Any, ...] = (
    {"b": 1.5, "a": [True, None, "\\ü\n"]}, [], {"big": 2**60, "tiny": 5e-324}, None, "\ud800\x00",
)  # fmt: skip
TIMES = (datetime(1969, 7, 20, 20, 17, 40, 123456, UTC), START, datetime(1600, 2, 29, tzinfo=UTC))
NUMBERS = (0.1, -1e300, 5e-324, 1 / 3, 123456789.123456789)


def value_of(column: Any, row: int) -> Any:
    """Some value that the column takes, another one in each row; every kind's odd ones are among them."""
    kind = column.type
    if column.nullable and row % 4 == 3:
        return None
    if column.foreign_keys or kind is BigKey:
        return row + 1
    if isinstance(kind, Enum):
        return list(kind.enum_class)[row % len(kind.enum_class)]
    if isinstance(kind, Floats):
        return np.asarray([row, 1e-7, -np.inf], "<f4")
    if isinstance(kind, PackedTrace):
        return block_of_points(
            [point(row), replace(point(row + 9), values={"word": TEXTS[row % len(TEXTS)], "x": 0.1})]
        )
    if isinstance(kind, LargeBinary):
        return bytes(range(256)) * (row % 3)
    if isinstance(kind, JSON):
        return DOCUMENTS[row % len(DOCUMENTS)]
    if isinstance(kind, UtcTime):
        return TIMES[row % len(TIMES)] + timedelta(microseconds=row)
    if isinstance(kind, Boolean):
        return row % 2 == 0
    if isinstance(kind, StorableNumber):
        return NUMBERS[row % len(NUMBERS)]
    if isinstance(kind, BigInteger):
        return 2**62 + row
    if isinstance(kind, Integer):
        return 2**31 - 1 - row
    words = f"{row} {TEXTS[row % len(TEXTS)]}"
    return words[: getattr(kind, "length", None) or 99]


def fill(engine: Engine, rows: int = 12) -> None:
    """Rows in every table there is."""
    with transaction(engine) as session:
        for table in copied_tables():
            session.execute(
                table.insert(),
                [{column.name: value_of(column, row) for column in table.columns} for row in range(rows)],
            )


def whole(engine: Engine) -> dict[str, list[str]]:
    """Every value of every row, exactly; rows in an order of their own."""
    with reading(engine) as session:
        return {table.name: sorted(map(spelt, session.execute(select(table)).all())) for table in copied_tables()}


def spelt(row: Any) -> str:
    """A row in a form that tells apart what differs, the type of a number included."""
    return repr(
        [
            value.tolist() if isinstance(value, np.ndarray) else pack(value) if isinstance(value, TraceBlock) else value
            for value in row
        ]
    )


def stored(engine: Engine, table: Table | str) -> int:
    """How many rows a table has."""
    with reading(engine) as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


class DatabaseCopyContract:
    """Run with a migrated, empty database as `engine` and, as `empty`, an engine of one without tables."""

    @pytest.fixture
    def empty(self) -> Iterator[Engine]:
        """A database without tables."""
        raise NotImplementedError

    def test_every_row_of_every_table_is_copied(self, engine: Engine, empty: Engine) -> None:
        """All values are equal, and no table of the database is left out."""
        fill(engine)
        seen: list[tuple[str, float]] = []
        copied = copy_database(engine, empty, NOW, on_progress=lambda step, share: seen.append((step, share)))
        with reading(engine) as session:
            tables = set(inspect(session.connection()).get_table_names()) - {"alembic_version"}
        assert copied == dict.fromkeys(tables, 12)
        assert whole(empty) == whole(engine)
        assert ("alerts: 12 rows", 1.0) in seen

    def test_the_copy_is_written_on(self, engine: Engine, empty: Engine) -> None:
        """The next batch continues at the offset that was copied, and its alert gets the next key."""
        clock = ManualClock(NOW)
        former = AlertStore(engine, MONITOR, clock=clock)
        former.claim(SOURCE, 0, 0)
        former.commit(outcome(0, 10, [flagged(5)]))
        copy_database(engine, empty, NOW)
        store = AlertStore(empty, MONITOR, clock=clock)
        assert store.positions(SOURCE) == {0: 10}
        store.commit(outcome(10, 2000, [flagged(1000)]))
        found = sorted(alert.id for alert in inbox(empty, AlertFilter()).alerts)
        assert found == [found[0], found[0] + 1]

    def test_a_target_with_rows_is_refused(self, engine: Engine, empty: Engine) -> None:
        """The message says what it holds, also where it is a table of somebody else's; nothing changes there."""
        fill(engine)
        migrate(empty)
        with transaction(empty) as session:
            session.execute(text("CREATE TABLE theirs (id INTEGER)"))
            session.execute(text("INSERT INTO theirs VALUES (1)"))
        with pytest.raises(InvalidInput, match="is not empty, it has rows: 1 in theirs; copy to a new database"):
            copy_database(engine, empty, NOW)
        with transaction(empty) as session:
            session.execute(text("DROP TABLE theirs"))
        copy_database(engine, empty, NOW)
        with pytest.raises(InvalidInput, match="12 in alert_events, 12 in alert_steps, 12 in alerts"):
            copy_database(engine, empty, NOW)
        assert stored(empty, "alerts") == 12

    def test_a_copy_that_fails_leaves_nothing(self, engine: Engine, empty: Engine) -> None:
        """Where one row cannot be stored, the error names table and database, no table has rows, and the next one succeeds."""
        fill(engine)
        migrate(empty)
        with transaction(empty) as session:
            session.execute(text("CREATE UNIQUE INDEX stricter ON trace (flagged)"))
        with pytest.raises(InvalidInput, match=r"table trace: .*nothing was copied") as failed:
            copy_database(engine, empty, NOW)
        assert isinstance(failed.value.__cause__, IntegrityError)
        assert {stored(empty, table) for table in copied_tables()} == {0}
        with transaction(empty) as session:
            session.execute(text("DROP INDEX stricter"))
        copy_database(engine, empty, NOW)
        assert whole(empty) == whole(engine)

    def test_what_is_stored_meanwhile_is_not_half_in_the_copy(self, engine: Engine, empty: Engine) -> None:
        """A batch that is committed while tables are copied is in none of them."""
        clock = ManualClock(NOW)
        store = AlertStore(engine, MONITOR, clock=clock)
        store.claim(SOURCE, 0, 0)
        store.commit(outcome(0, 10, [flagged(5)]))
        before = whole(engine)
        later = iter([outcome(10, 2000, [flagged(1000)])])

        def go_on(step: str, share: float) -> None:
            for one in later:
                store.commit(one)

        copy_database(engine, empty, NOW, on_progress=go_on)
        assert next(later, None) is None
        assert whole(empty) == before != whole(engine)

    def test_a_source_with_a_running_scorer_is_refused(self, engine: Engine, empty: Engine) -> None:
        """Unless it is forced, or the scorer has been silent for long."""
        alive = Heartbeat("a", MONITOR, "north", 7, NOW, NOW, None, [], None, None, 0, 0.0, "scoring")
        beat(engine, alive)
        with pytest.raises(InvalidInput, match=r"a scorer of 'pump' runs on north \(process 7\).*--force"):
            copy_database(engine, empty, NOW)
        assert copy_database(engine, empty, NOW, force=True)["scorers"] == 1
        beat(engine, replace(alive, seen=NOW - timedelta(minutes=1)))
        with pytest.raises(InvalidInput, match="is not empty"):
            copy_database(engine, empty, NOW)

    def test_a_source_of_another_version_is_refused(self, engine: Engine, empty: Engine) -> None:
        """One without tables, an older and a newer one each with what to do; the target stays as it was."""
        with pytest.raises(InvalidInput, match="has no tables of Latentwatch's"):
            copy_database(empty, engine, NOW)
        with (
            of_version(engine, "0001"),
            pytest.raises(InvalidInput, match=r"an older version.*bring it up to date first"),
        ):
            copy_database(engine, empty, NOW)
        with of_version(engine, "9999"), pytest.raises(InvalidInput, match="a newer version; copy it with that one"):
            copy_database(engine, empty, NOW)
        with empty.connect() as connection:
            assert inspect(connection).get_table_names() == []

    def test_a_database_is_not_copied_onto_itself(self, engine: Engine) -> None:
        """It is said, rather than that the target holds what was to be copied."""
        with pytest.raises(InvalidInput, match="is the one that is copied"):
            copy_database(engine, open_database(engine.url.render_as_string(hide_password=False)), NOW)


@contextmanager
def of_version(engine: Engine, revision: str) -> Iterator[None]:
    """Within the block a database says of itself that it is of another version."""
    with transaction(engine) as session:
        former = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    yield
    with transaction(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = :former"), {"former": former})
