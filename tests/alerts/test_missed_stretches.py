"""Missed stretches on SQLite."""

from tests.alerts.contract.missed_stretches import MissedStretchContract


class TestMissedStretches(MissedStretchContract):
    """Promises about missed stretches, kept by SQLite."""
