"""People's decisions on SQLite."""

from tests.alerts.contract.reviewing import ReviewingContract


class TestReviewing(ReviewingContract):
    """The promises about people's decisions, kept by SQLite."""
