"""Values that could not be read: counted with what was scored, or not at all."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.retention import Ages, prune
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.unread_values import KEPT, unread_fields
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import PartitionLost
from latentwatch.domain.outcome import OffsetMove
from latentwatch.domain.record import Position, UnreadValue
from tests.alerts.build import MONITOR, SOURCE, outcome


def _values(field: str, partition: int, first: int, count: int) -> tuple[UnreadValue, ...]:
    return tuple(
        UnreadValue(Position(SOURCE, partition, first + place), field, f"no number: {first + place}", b"{\x00\xff}")
        for place in range(count)
    )


class UnreadContract:
    """Promises of the table of unread values."""

    def test_unread_values_are_counted_in_the_one_transaction(self, engine: Engine, clock: ManualClock) -> None:
        """Over partitions and batches; the first are kept; a batch that another process overtook counts nothing."""
        store = AlertStore(engine, MONITOR, clock)
        store.begin(SOURCE, {0: 0, 1: 0})
        first = outcome(0, 8, moves=(OffsetMove(0, 0, 8), OffsetMove(1, 0, 4)))
        store.commit(replace(first, unread=(*_values("a", 0, 0, 8), *_values("a", 1, 0, 4), *_values("b", 0, 3, 1))))
        clock.advance(60)
        more = replace(outcome(8, 20), unread=_values("a", 0, 8, 12))
        store.commit(more)
        with pytest.raises(PartitionLost):
            store.commit(more)
        found = unread_fields(engine, MONITOR)
        assert [(each.field, each.messages, each.reason) for each in found] == [
            ("a", 24, "no number: 19"),
            ("b", 1, "no number: 3"),
        ]
        assert len(found[0].first) == KEPT
        assert found[0].latest > found[0].since
        prune(engine, Ages(), clock.now())
        assert len(unread_fields(engine, MONITOR)) == 2
        clock.advance(31 * 86_400)
        assert prune(engine, Ages(), clock.now())["unread_values"] == 3
        assert unread_fields(engine, MONITOR) == ()
