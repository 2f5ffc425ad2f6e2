"""What is sent of an incident, on SQLite."""

from tests.alerts.contract.messages import MessagesContract


class TestMessages(MessagesContract):
    """The promises about messages, kept by SQLite."""
