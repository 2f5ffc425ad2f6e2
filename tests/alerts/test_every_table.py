"""Migrations and copies know every table."""

from pathlib import Path

from latentwatch.alerts.every_table import DEFINED_IN

ROOM = Path(__file__).parents[2] / "alerts"


def test_each_file_that_defines_tables_is_known() -> None:
    """Another one would be missed by `database copy`, in silence."""
    defining = {file.stem for file in ROOM.glob("*.py") if "    __tablename__ = " in file.read_text()}
    assert defining == {module.__name__.rpartition(".")[2] for module in DEFINED_IN}
