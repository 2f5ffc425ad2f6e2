"""Offsets moved by hand on SQLite."""

from tests.alerts.contract.offsets import OffsetsContract


class TestOffsets(OffsetsContract):
    """Promises about offsets moved by hand, kept by SQLite."""
