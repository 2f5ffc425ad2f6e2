"""Unread values on SQLite."""

from tests.alerts.contract.unread import UnreadContract


class TestUnreadValues(UnreadContract):
    """The promises of unread values, kept by SQLite."""
