"""What labels say, on SQLite."""

from tests.alerts.contract.labels import LabelsContract


class TestLabels(LabelsContract):
    """Promises about what labels say, kept by SQLite."""
