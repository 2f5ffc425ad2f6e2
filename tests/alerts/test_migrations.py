"""The migrations on SQLite."""

from pathlib import Path

import pytest

from tests.alerts.contract.migrations import MigrationContract


class TestMigrations(MigrationContract):
    """The schema's promises, kept by SQLite."""

    @pytest.fixture
    def empty_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'empty.db'}"
