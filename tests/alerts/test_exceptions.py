"""Exceptions on SQLite."""

from tests.alerts.contract.exceptions import ExceptionContract


class TestExceptions(ExceptionContract):
    """Promises about exceptions, kept by SQLite."""
