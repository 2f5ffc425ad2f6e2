"""Incidents on SQLite."""

from tests.alerts.contract.incidents import IncidentContract


class TestIncidents(IncidentContract):
    """The promises about incidents, kept by SQLite."""
