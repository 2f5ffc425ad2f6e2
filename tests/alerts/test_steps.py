"""Lasting changes on SQLite."""

from tests.alerts.contract.steps import StepContract


class TestSteps(StepContract):
    """The promises about lasting changes, kept by SQLite."""
