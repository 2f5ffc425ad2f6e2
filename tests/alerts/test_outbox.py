"""The outbox on SQLite."""

from tests.alerts.contract.outbox import OutboxContract


class TestOutbox(OutboxContract):
    """The outbox's promises, kept by SQLite."""
