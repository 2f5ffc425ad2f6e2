"""Renaming and removing monitors on SQLite."""

from tests.alerts.contract.monitor_upkeep import MonitorUpkeepContract


class TestMonitorUpkeep(MonitorUpkeepContract):
    """Promises about a monitor's name and its end, kept by SQLite."""
