"""Monitors, heartbeats and retention on SQLite."""

from tests.alerts.contract.housekeeping import HousekeepingContract


class TestHousekeeping(HousekeepingContract):
    """The promises of what surrounds the store, kept by SQLite."""
