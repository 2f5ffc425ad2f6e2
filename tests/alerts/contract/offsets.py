"""The promises of offsets moved by hand: fenced like any other move, and never without a trace."""

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.context_tables import ContextChunkRow
from latentwatch.alerts.offsets import move_offsets, stored_offsets
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AuditRow
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import PartitionLost
from latentwatch.domain.outcome import ContextSnapshot, OffsetMove, Outcome
from tests.alerts.build import MONITOR, SOURCE


class OffsetsContract:
    """Promises of `move_offsets`."""

    def test_a_moved_offset_refuses_who_did_not_know_and_is_written_down(
        self, engine: Engine, clock: ManualClock
    ) -> None:
        """The scorer's next commit loses the partition; its context is gone; others' stay; the audit says what it meant."""
        store = AlertStore(engine, MONITOR, clock)
        store.begin(SOURCE, {0: 0, 1: 0}, "a-topic-id-of-22-signs")
        snapshots = tuple(
            ContextSnapshot(partition, 100, "bundle", "stamp", None, b"head", 1, {0: b"chunk"}) for partition in (0, 1)
        )
        moves = (OffsetMove(0, 0, 100), OffsetMove(1, 0, 100))
        store.commit(Outcome(MONITOR, SOURCE, moves, snapshots=snapshots))
        moved = move_offsets(engine, MONITOR, SOURCE, {0: 20, 2: 7}, "a-topic-id-of-22-signs", "by a test", clock)
        assert moved == {0: 100, 2: None}
        with pytest.raises(PartitionLost):
            store.commit(Outcome(MONITOR, SOURCE, (OffsetMove(0, 100, 120),)))
        assert store.positions(SOURCE) == {0: 20, 1: 100, 2: 7}
        assert set(store.snapshots(SOURCE, [0, 1, 2])) == {1}
        with reading(engine) as session:
            assert session.scalars(select(ContextChunkRow.partition)).all() == [1]
        assert {offset.topic_id for offset in stored_offsets(engine, MONITOR)} == {"a-topic-id-of-22-signs"}
        with reading(engine) as session:
            said = session.execute(select(AuditRow.kind, AuditRow.partition, AuditRow.message)).all()
        assert [(kind, partition) for kind, partition, _ in said] == [("offsets_reset", 0), ("offsets_reset", 2)]
        assert said[0].message == f"{SOURCE}[0]: from 100 to 20, 80 offsets to be scored again, by a test"
