"""Many alerts at once on SQLite."""

from tests.alerts.contract.bulk_review import BulkReviewContract


class TestBulkReview(BulkReviewContract):
    """The promises about what is done to many alerts, kept by SQLite."""
