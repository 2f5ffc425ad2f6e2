"""The outbox on SQLite, and while no database answers."""

from latentwatch.alerts.database import open_database
from latentwatch.alerts.outbox import Delivery, Notifier
from latentwatch.domain.clock import ManualClock
from tests.alerts.contract.outbox import OutboxContract


class TestOutbox(OutboxContract):
    """The outbox's promises, kept by SQLite."""


def test_the_loop_waits_aloud_for_a_database_that_is_away() -> None:
    """While the database is away the notifier says so at every look, and goes on looking until it is told to stop."""
    clock = ManualClock()
    rounds: list[Delivery] = []
    waits: list[str] = []
    engine = open_database("postgresql://ann@127.0.0.1:1/latentwatch")
    Notifier(engine, {}, clock).run(lambda: clock.monotonic() >= 6, rounds.append, waits.append)
    assert rounds == []
    assert len(waits) == 3
    assert all("127.0.0.1:1" in reason for reason in waits)
