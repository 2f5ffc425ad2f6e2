"""The model registry on SQLite."""

from tests.alerts.contract.registry import RegistryContract


class TestRegistry(RegistryContract):
    """The registry's promises, kept by SQLite."""
