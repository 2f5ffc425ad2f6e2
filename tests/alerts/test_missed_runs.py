"""Missed runs on SQLite."""

from tests.alerts.contract.missed_runs import MissedRunsContract


class TestMissedRuns(MissedRunsContract):
    """Promises about runs that did not come, kept by SQLite."""
