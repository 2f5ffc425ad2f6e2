"""Copying a database, SQLite to SQLite, and what is SQLite's own about it."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.database import open_database
from latentwatch.alerts.database_copy import copied_tables, copy_database
from latentwatch.domain.errors import InvalidInput
from tests.alerts.contract.database_copy import NOW, DatabaseCopyContract, fill, stored, whole

DIES = """
import os, signal, sys
from latentwatch.alerts.database import open_database
from latentwatch.alerts.database_copy import copy_database
from tests.alerts.contract.database_copy import NOW
die = lambda step, share: os.kill(os.getpid(), signal.SIGKILL) if step.startswith("trace:") and share == 1.0 else None
copy_database(open_database(sys.argv[1]), open_database(sys.argv[2]), NOW, on_progress=die)
"""


class TestDatabaseCopy(DatabaseCopyContract):
    """The promises about a copy, kept by SQLite."""

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Iterator[Engine]:
        engine = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
        yield engine
        engine.dispose()


def test_a_copy_that_is_killed_leaves_nothing_and_is_run_again(engine: Engine, tmp_path: Path) -> None:
    """After kill -9 with most tables written, the target has no row, and the second run copies all."""
    fill(engine)
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    words = [sys.executable, "-c", DIES, str(engine.url), target]
    assert subprocess.run(words, timeout=120, check=False).returncode == -signal.SIGKILL
    copy = open_database(target)
    assert {stored(copy, table) for table in copied_tables()} == {0}
    copy_database(engine, copy, NOW)
    assert whole(copy) == whole(engine)
    copy.dispose()


def test_the_original_is_only_read_and_the_copy_is_its_owners(engine: Engine, tmp_path: Path) -> None:
    """A file without permission to write is copied byte for byte unchanged; the new file is for its owner only."""
    fill(engine)
    engine.dispose()
    kept = tmp_path / "kept.db"
    shutil.copy(tmp_path / "latentwatch.db", kept)
    before = kept.read_bytes()
    kept.chmod(0o400)
    source, copy = (
        open_database(f"sqlite:///{kept}", read_only=True),
        open_database(f"sqlite:///{tmp_path / 'copy.db'}"),
    )
    umask = os.umask(0)
    try:
        copy_database(source, copy, NOW)
    finally:
        os.umask(umask)
    assert whole(copy) == whole(source)
    source.dispose()
    copy.dispose()
    assert kept.read_bytes() == before
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


def test_a_source_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    """A slip in the address is said, and leaves no empty file."""
    with pytest.raises(InvalidInput, match="there is no such file"):
        open_database(f"sqlite:///{tmp_path / 'slip.db'}", read_only=True)
    assert not (tmp_path / "slip.db").exists()


def test_a_copy_into_memory_is_refused(engine: Engine) -> None:
    """It would be gone when the command ends."""
    with pytest.raises(InvalidInput, match="lies in memory"):
        copy_database(engine, open_database("sqlite://"), NOW)
