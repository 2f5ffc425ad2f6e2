"""The store on SQLite."""

from tests.alerts.contract.store import StoreContract


class TestStore(StoreContract):
    """The store's promises, kept by SQLite."""
