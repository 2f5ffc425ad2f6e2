"""What becomes of partitions that wait to be taken up while the database is away."""

from latentwatch.streams.assignment import Partitions
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.testing import FakeContext
from tests.streams.stage import Stage


def test_a_failing_database_shortens_no_hold() -> None:
    """A partition that another process has just moved stays away its full time; the back-off of others is shorter."""
    stage = Stage(partitions=2)
    source = stage.broker.join(finite=False)
    contexts = ContextStore(FakeContext(1))
    partitions = Partitions(
        source, stage.store, contexts, stage.bundles.load, stage.clock, None, lambda partition: None
    )
    partitions.settle("first")
    partitions.readmit((0,), 60.0)
    partitions.readmit((1,), 0.0)
    stage.store.away = 1
    partitions.settle("first")
    assert partitions.waiting == (0, 1)
    stage.clock.advance(30.0)
    partitions.settle("first")
    assert partitions.waiting == (0,)
    stage.clock.advance(31.0)
    partitions.settle("first")
    assert partitions.waiting == ()
