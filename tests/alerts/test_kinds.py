"""Kinds of alerts, on SQLite."""

from tests.alerts.contract.kinds import KindsContract


class TestKinds(KindsContract):
    """Promises about kinds of alerts, kept by SQLite."""
