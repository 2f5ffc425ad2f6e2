"""Silences on SQLite."""

from tests.alerts.contract.silences import SilencesContract


class TestSilences(SilencesContract):
    """Promises about silences, kept by SQLite."""
