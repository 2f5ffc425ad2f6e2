"""Silence alerts on SQLite."""

from tests.alerts.contract.silences import SilenceContract


class TestSilences(SilenceContract):
    """Promises about silences, kept by SQLite."""
