"""StoppedSending alerts on SQLite."""

from tests.alerts.contract.stopped_sending import StoppedSendingContract


class TestStoppedSending(StoppedSendingContract):
    """Promises about entities that stopped sending, kept by SQLite."""
