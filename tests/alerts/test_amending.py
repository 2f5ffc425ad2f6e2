"""Amended decisions on SQLite."""

from tests.alerts.contract.amending import AmendingContract


class TestAmending(AmendingContract):
    """Promises about amended verdicts, kept by SQLite."""
