"""What becomes of partitions that wait to be taken up while the database is away."""

from unittest.mock import Mock

from domain.clock import ManualClock
from domain.errors import Unavailable
from streams.assignment import Partitions
from streams.ports import Changes


def test_a_failing_database_shortens_no_hold() -> None:
    """A partition that another process has just moved stays away its full time; the back-off of others is shorter."""
    source = Mock()
    source.changes.side_effect = [Changes(gained=(0,)), Changes(), Changes()]
    store = Mock()
    store.positions.side_effect = [Unavailable("away"), {0: 0, 1: 0}, {0: 0, 1: 0}]
    store.snapshots.return_value = {}
    clock = ManualClock()
    partitions = Partitions(source, store, Mock(), Mock(), clock, "stop", Mock())
    partitions.readmit((1,), 60.0)
    partitions.settle("bundle")
    assert partitions.waiting == (1, 0)
    clock.advance(10.0)
    partitions.settle("bundle")
    assert partitions.waiting == (1,)
    clock.advance(50.0)
    partitions.settle("bundle")
    assert partitions.waiting == ()
