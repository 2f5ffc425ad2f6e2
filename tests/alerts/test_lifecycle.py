"""Alerts in people's hands on SQLite."""

from tests.alerts.contract.lifecycle import LifecycleContract


class TestLifecycle(LifecycleContract):
    """The promises about alerts in people's hands, kept by SQLite."""
