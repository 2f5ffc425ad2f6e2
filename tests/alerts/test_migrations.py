"""The migrations on SQLite, and inside the wheel."""

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.alerts.contract.migrations import MigrationContract


class TestMigrations(MigrationContract):
    """The schema's promises, kept by SQLite."""

    @pytest.fixture
    def empty_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'empty.db'}"


def test_migrations_travel_inside_the_wheel(tmp_path: Path) -> None:
    """An installed package finds its migrations beside its code."""
    root = Path(__file__).parents[2]
    wheel = next(WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"]))
    names = zipfile.ZipFile(wheel).namelist()
    assert "latentwatch/alerts/migrations/env.py" in names
    assert {name for name in names if "migrations/versions/" in name and name.endswith(".py")} == {
        f"latentwatch/alerts/migrations/versions/{file.name}"
        for file in (root / "alerts" / "migrations" / "versions").glob("*.py")
    }
