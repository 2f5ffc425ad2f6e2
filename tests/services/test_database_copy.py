"""Copying a database from SQLite to real PostgreSQL, back, and from one PostgreSQL database to another."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.database_copy import copied_tables
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import main
from tests.alerts.contract.database_copy import DatabaseCopyContract, whole
from tests.upgrade.test_upgrade import ARCHIVE, send

FreshDatabase = Callable[[], AbstractContextManager[str]]


def opened(url: str, *, migrated: bool) -> Iterator[Engine]:
    """An engine for a test, closed after it."""
    engine = open_database(url)
    if migrated:
        migrate(engine)
    yield engine
    engine.dispose()


class TestToPostgres(DatabaseCopyContract):
    """The promises about a copy, kept from SQLite to PostgreSQL."""

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        yield from opened(f"sqlite:///{tmp_path / 'latentwatch.db'}", migrated=True)

    @pytest.fixture
    def empty(self, postgres_url: str) -> Iterator[Engine]:
        yield from opened(postgres_url, migrated=False)


class TestToSqlite(DatabaseCopyContract):
    """The promises about a copy, kept from PostgreSQL to SQLite."""

    @pytest.fixture
    def engine(self, postgres_url: str) -> Iterator[Engine]:
        yield from opened(postgres_url, migrated=True)

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Iterator[Engine]:
        yield from opened(f"sqlite:///{tmp_path / 'copy.db'}", migrated=False)


class TestBetweenServers(DatabaseCopyContract):
    """The promises about a copy, kept from one PostgreSQL database to another."""

    @pytest.fixture
    def engine(self, postgres_url: str) -> Iterator[Engine]:
        yield from opened(postgres_url, migrated=True)

    @pytest.fixture
    def empty(self, fresh_database: FreshDatabase) -> Iterator[Engine]:
        with fresh_database() as url:
            yield from opened(url, migrated=False)


def test_a_plant_moves_to_postgresql_and_back(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the command line: every row is equal on both ways, and after each a scorer goes on where the former stood."""
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, said = capfd.readouterr()
        return int(ended.value.code or 0), out, said

    def go_on(url: str, position: int, alerts: int) -> int:
        send(tmp_path / "pump.jsonl", 120, wrong=20)
        words = [sys.executable, "-m", "latentwatch", "score", "pump.yaml"]
        scored = subprocess.run(
            words,
            env=os.environ | {"LATENTWATCH_DATABASE": url},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (scored.returncode, "scored 120 records" in scored.stderr) == (0, True), scored.stderr
        engine = open_database(url)
        assert AlertStore(engine, "pump").positions("pump.jsonl") == {0: position}
        found = sorted(alert.id for alert in inbox(engine, AlertFilter()).alerts)
        engine.dispose()
        assert len(found) > alerts
        assert found == list(range(1, len(found) + 1))
        return len(found)

    left, back = "sqlite:///latentwatch.db", "sqlite:///back.db"
    code, _, said = run("database", "copy", left, postgres_url)
    assert (code, "bring it up to date first: 'latentwatch monitors list'" in said) == (2, True), said
    assert run("train", "pump.yaml", "--history", "history.jsonl")[0] == 0  # former bundles are read no more
    before = contents(left)
    code, out, said = run("database", "copy", left, postgres_url, "--json")
    assert code == 0, said
    told = json.loads(out)
    assert set(told["rows"]) == {table.name for table in copied_tables()}
    assert (told["from"], told["rows"]["alerts"]) == (left, 5)
    assert contents(left) == contents(postgres_url) == before
    code, _, said = run("database", "copy", left, postgres_url)
    assert (code, "is not empty, it has rows: " in said) == (2, True), said
    alerts = go_on(postgres_url, 2_902 + 120, 5)
    code, out, said = run("database", "copy", postgres_url, back)
    assert (code, "flagged_records" in out, "set LATENTWATCH_DATABASE" in said) == (0, True, True), said
    assert contents(back) == contents(postgres_url)
    go_on(back, 2_902 + 240, alerts)


def contents(url: str) -> dict[str, list[str]]:
    """Every value of every row of a database."""
    engine = open_database(url)
    found = whole(engine)
    engine.dispose()
    return found
