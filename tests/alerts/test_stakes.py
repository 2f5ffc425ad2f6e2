"""What is at stake in alerts, on SQLite."""

from tests.alerts.contract.stakes import StakesContract


class TestStakes(StakesContract):
    """The promises about what is at stake, kept by SQLite."""
