"""The store's promises: one transaction, fenced by compare-and-swap, exact and bounded."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import Engine, event, func, insert, select

from latentwatch.alerts.columns import Row
from latentwatch.alerts.context_tables import SnapshotRow
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import MessageCounts, message_counts
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import (
    AlertRow,
    AuditRow,
    DeadLetterRow,
    EntityRow,
    FlaggedRecordRow,
    MinuteCountRow,
    MonitorRow,
    NotificationRow,
    OffsetRow,
    TraceRow,
)
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import PartitionLost, Unavailable
from latentwatch.domain.outcome import AuditEntry, ContextSnapshot, EntityState, OffsetMove, Outcome
from latentwatch.domain.record import later_name
from tests.alerts.build import MONITOR, SOURCE, at, count, dead, flagged, outcome, point
from tests.alerts.contract.outbox import PUMP


def size(engine: Engine, row: type[Row]) -> int:
    """How many rows a table has."""
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


class Died(Exception):
    """The process ended here."""


class StoreContract:
    """Promises of `AlertStore`."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        return AlertStore(engine, MONITOR, clock, trace_slots=7)

    def test_claim_keeps_the_first_position(self, store: AlertStore) -> None:
        """The first claim stores where to begin; later ones, from anybody, are told that and change nothing."""
        assert store.claim(SOURCE, 2, 40) == 40
        assert store.claim(SOURCE, 2, 99) == 40
        assert store.positions(SOURCE) == {2: 40}
        assert store.positions("elsewhere") == {}

    def test_what_became_of_each_message_is_counted_with_its_commit(self, store: AlertStore, engine: Engine) -> None:
        """Scored, aligned, passed over and dead sum to what was read, over commits and partitions; a refused commit adds nothing."""
        store.begin(SOURCE, {0: 0, 1: 0})
        both = (OffsetMove(0, 0, 6), OffsetMove(1, 0, 4))
        first = outcome(0, 6, counts=[count(0, 3), count(1, 1)], dead=[dead(5)], moves=both)
        store.commit(replace(first, aligned=4, passed=1))
        second = replace(outcome(4, 9, partition=1, counts=[count(2, 2)]), aligned=3)
        store.commit(second)
        with pytest.raises(PartitionLost):
            store.commit(second)
        assert message_counts(engine, MONITOR) == MessageCounts(scored=6, aligned=7, passed=1, dead=1)
        assert message_counts(engine, MONITOR).read == sum(store.positions(SOURCE).values())
        assert message_counts(engine, "other").read == 0

    def test_a_source_begins_in_all_its_partitions_once(self, store: AlertStore, engine: Engine) -> None:
        """Whoever is first stores every start in one go; for anybody later nothing changes and nothing is added."""
        assert store.begin(SOURCE, {0: 7, 1: 0, 2: 40}) == {0: 7, 1: 0, 2: 40}
        assert store.begin(SOURCE, {0: 9, 1: 9, 2: 9, 3: 9}) == {0: 7, 1: 0, 2: 40}
        assert store.claim(SOURCE, 3, 0) == 0
        assert store.positions(SOURCE) == {0: 7, 1: 0, 2: 40, 3: 0}
        assert AlertStore(engine, "other").begin(SOURCE, {0: 1}) == {0: 1}
        assert store.begin("empty", {}) == {}

    def test_positions_know_their_topic(self, store: AlertStore, engine: Engine) -> None:
        """A stream and those that continue it are told with their topics' ids; what is not known can be learned once."""
        later = later_name(SOURCE, "another-topic-id-22-ch")
        store.claim(SOURCE, 0, 5)
        store.claim("elsewhere", 0, 5, "elsewhere-topic-id-22c")
        assert store.topics_of(SOURCE) == {SOURCE: None}
        store.learn_topic(SOURCE, "the-first-topic-id-22c")
        store.learn_topic(SOURCE, "never-learned-twice-22")
        note = AuditEntry("topic_recreated", None, "made anew")
        for _ in range(2):
            assert store.begin(later, {0: 0, 1: 0}, "another-topic-id-22-ch", note) == {0: 0, 1: 0}
        assert store.topics_of(SOURCE) == {SOURCE: "the-first-topic-id-22c", later: "another-topic-id-22-ch"}
        assert size(engine, AuditRow) == 1

    def test_monitors_do_not_share_positions(self, store: AlertStore, engine: Engine) -> None:
        """Two monitors on one topic move on their own."""
        store.claim(SOURCE, 0, 5)
        assert AlertStore(engine, "other").claim(SOURCE, 0, 9) == 9
        assert store.positions(SOURCE) == {0: 5}

    def test_commit_moves_offsets_and_writes_everything(self, store: AlertStore, engine: Engine) -> None:
        """One commit makes flagged records, dead letters, counts, trace, states, snapshots and audit visible."""
        store.claim(SOURCE, 0, 10)
        given = replace(
            outcome(10, 20, [flagged(12)], dead=[dead(13)], counts=[count(0, 9, beyond=1)], trace=[point(12)]),
            entities=(EntityState("rig-1", 0, at(12), 3, True),),
            snapshots=(snapshot(20, None, {0: b"\x00\xff"}),),
            audit=(AuditEntry("gap", 0, "records 0 to 9 were deleted before they were scored"),),
        )
        receipt = store.commit(given)
        assert store.positions(SOURCE) == {0: 20}
        assert len(receipt.alerts_opened) == 1
        assert stored(store) == (20, b"head of 20", [b"\x00\xff"])
        assert store.snapshots(SOURCE, [1]) == {}
        assert [size(engine, row) for row in (DeadLetterRow, TraceRow, EntityRow, AuditRow)] == [1, 1, 1, 1]

    def test_a_flagged_record_comes_back_bit_for_bit(self, store: AlertStore, engine: Engine) -> None:
        """Everything that replays or explains a verdict survives storage unchanged."""
        store.claim(SOURCE, 0, 0)
        given = flagged(3, seconds=3.000001, surprise=float(np.float32(4.7)))
        store.commit(outcome(0, 5, [given]))
        with reading(engine) as session:
            row = session.scalars(select(FlaggedRecordRow)).one()
        assert (row.source, row.partition, row.offset) == given.position
        assert (row.entity, row.time, row.bundle, row.model_version) == ("rig-1", given.time, "abc123", 7)
        assert (row.surprise, row.reconstruction, row.density) == (given.surprise, given.reconstruction, given.density)
        assert row.values == given.values
        assert list(row.values) == list(given.values)
        assert row.context == given.context
        assert row.seen == given.seen
        assert row.expected == given.explanation.expected
        assert row.contributions == given.explanation.contributions
        assert row.neighbours == [{"distance": 0.5, "values": given.explanation.neighbours[0].values}]
        assert row.code.tolist() == np.asarray(given.explanation.code, np.float32).tolist()
        assert (row.place_x, row.place_y) == given.explanation.place

    def test_a_stale_move_writes_nothing(self, store: AlertStore, engine: Engine) -> None:
        """A process whose partition was taken over is refused whole, with the lost partitions and no row of its own."""
        for partition in range(4):
            store.claim(SOURCE, partition, 0)
        store.commit(outcome(0, 50, partition=1))
        store.commit(outcome(0, 60, partition=3))
        stale = outcome(
            0,
            0,
            [flagged(1)],
            dead=[dead(2)],
            counts=[count(0, 5)],
            moves=tuple(OffsetMove(p, 0, 50) for p in range(5)),
        )
        with pytest.raises(PartitionLost, match="another process") as lost:
            store.commit(stale)
        assert lost.value.partitions == (1, 3, 4)
        assert store.positions(SOURCE) == {0: 0, 1: 50, 2: 0, 3: 60}
        assert [size(engine, row) for row in (AlertRow, FlaggedRecordRow, DeadLetterRow, MinuteCountRow)] == [0] * 4

    def test_an_offset_moved_back_by_hand_doubles_nothing(self, store: AlertStore, engine: Engine) -> None:
        """Records and dead letters that are stored already are passed over, and their alert does not grow."""
        store.claim(SOURCE, 0, 0)
        store.commit(outcome(0, 10, [flagged(1), flagged(2)], dead=[dead(3)]))
        store.commit(outcome(10, 0))
        store.commit(outcome(0, 10, [flagged(1), flagged(2), flagged(4), flagged(4)], dead=[dead(3)]))
        with reading(engine) as session:
            assert session.scalars(select(AlertRow.records)).all() == [3]
        assert (size(engine, FlaggedRecordRow), size(engine, DeadLetterRow)) == (3, 1)

    def test_minute_counts_add_up(self, store: AlertStore, engine: Engine) -> None:
        """Counts of a minute and model add over batches, and over the parts of one batch."""
        for partition in range(2):
            store.claim(SOURCE, partition, 0)
        store.commit(outcome(0, 9, counts=[count(0, 5, beyond=1), count(0, 4), count(1, 2)]))
        store.commit(outcome(9, 20, counts=[count(0, 11, beyond=2), count(0, 7, model_version=2)]))
        store.commit(outcome(0, 30, counts=[count(0, 30)], partition=1))
        row = MinuteCountRow
        with reading(engine) as session:
            sums = session.execute(
                select(row.minute, row.model_version, func.sum(row.scored), func.sum(row.exceeding_4))
                .group_by(row.minute, row.model_version)
                .order_by(row.minute, row.model_version)
            ).all()
        assert [tuple(each) for each in sums] == [(at(0), 1, 50, 3), (at(0), 2, 7, 0), (at(60), 1, 2, 0)]

    def test_the_trace_is_a_ring(self, store: AlertStore, engine: Engine) -> None:
        """Only the newest points of each entity stay, and a late point does not displace a newer one."""
        store.claim(SOURCE, 0, 0)
        store.commit(outcome(0, 9, trace=[point(second) for second in range(9)] + [point(0, "rig-2")]))
        store.commit(outcome(9, 20, trace=[point(second) for second in (13, 12, 11, 10, 9)]))
        store.commit(outcome(20, 21, trace=[point(3)]))
        with reading(engine) as session:
            rows = session.execute(
                select(TraceRow.entity, TraceRow.time).order_by(TraceRow.entity, TraceRow.time)
            ).all()
        assert [tuple(row) for row in rows] == [("rig-1", at(s)) for s in range(7, 14)] + [("rig-2", at(0))]

    def test_a_steady_pace_fills_the_ring(self, store: AlertStore, engine: Engine) -> None:
        """Records that come once a minute get as many points as those that come every second."""
        store.claim(SOURCE, 0, 0)
        store.commit(outcome(0, 9, trace=[point(60 * minute) for minute in range(20)]))
        with reading(engine) as session:
            times = session.scalars(select(TraceRow.time).order_by(TraceRow.time)).all()
        assert list(times) == [at(60 * minute) for minute in range(13, 20)]

    def test_hostile_text_is_stored(self, store: AlertStore, engine: Engine) -> None:
        """NUL, lone surrogates, endless names and infinities stop no commit, in any place where a record can hold them."""
        store.claim(SOURCE, 0, 0)
        names = ["nul\x00", "lone\ud800", "x" * 5000, "Ω" * 3000, "", "tab\tline\nback\\slash\r\\N\u2028"]
        records = [
            replace(
                flagged(place, entity=name),
                values={"Pressure": float("inf"), "Note": name, "None": float("nan")},
                bundle=name,
            )
            for place, name in enumerate(names)
        ]
        given = replace(
            outcome(
                0, 9, records, dead=[dead(8, "bad \x00 \udfff", b"\x00\xff")], trace=[point(1, name) for name in names]
            ),
            entities=tuple(EntityState(name, 0, at(1), 1, False) for name in names),
            audit=(AuditEntry("k\x00", None, "m\udc00"),),
        )
        store.commit(given)
        with reading(engine) as session:
            stored = session.scalars(select(AlertRow.entity).order_by(AlertRow.id)).all()
            values = session.scalars(select(FlaggedRecordRow.values).where(FlaggedRecordRow.offset == 0)).one()
            escaped = session.get_one(FlaggedRecordRow, ("pump", SOURCE, 0, 5))
        assert (escaped.entity, escaped.bundle, escaped.values["Note"]) == (names[5],) * 3
        assert stored[0] == "nul\ufffd"
        assert len(set(stored)) == len(names)
        assert values == {"Pressure": None, "Note": "nul\x00", "None": None}
        again = store.commit(outcome(9, 10, [replace(flagged(9), entity=name) for name in names[:1]]))
        assert again.alerts_opened == ()

    def test_wild_clocks_and_numbers_are_stored(self, store: AlertStore, engine: Engine) -> None:
        """Times at the ends of time and scores that are no numbers stop no commit."""
        store.claim(SOURCE, 0, 0)
        ends = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
        records = [
            replace(flagged(place), time=time, reconstruction=float("inf"), density=float("nan"))
            for place, time in enumerate(ends)
        ]
        points = [replace(point(0), time=time, surprise=float("nan")) for time in ends]
        receipt = store.commit(outcome(0, 2, records, trace=points, counts=[count(0, 2)]))
        assert len(receipt.alerts_opened) == 2
        row = FlaggedRecordRow
        with reading(engine) as session:
            stored = session.execute(select(row.time, row.reconstruction, row.density).order_by(row.time)).all()
        assert [tuple(each) for each in stored] == [(time, 1e300, 0.0) for time in ends]

    def test_a_crash_at_any_statement_leaves_nothing(self, store: AlertStore, engine: Engine) -> None:
        """Whichever statement of a commit is the last, nothing of the batch is seen; given again, all of it is, once."""
        register_monitor(engine, PUMP)
        store.claim(SOURCE, 0, 0)
        given = replace(
            outcome(0, 9, [flagged(1), flagged(2)], dead=[dead(3)], counts=[count(0, 8)], trace=[point(1)]),
            entities=(EntityState("rig-1", 0, at(2), 8, False),),
            snapshots=(snapshot(9, None, {0: b"chunk"}),),
            audit=(AuditEntry("gap", 0, "skipped"),),
        )
        tables = [row for row in Row.__subclasses__() if row not in (MonitorRow, OffsetRow)]
        survived = 0
        while not self.commit_until(engine, store, given, survived):
            assert [size(engine, row) for row in tables] == [0] * len(tables)
            assert store.positions(SOURCE) == {0: 0}
            survived += 1
        assert survived >= 10
        assert store.positions(SOURCE) == {0: 9}
        assert [size(engine, row) for row in (AlertRow, FlaggedRecordRow, NotificationRow, SnapshotRow)] == [1, 2, 2, 1]

    def commit_until(self, engine: Engine, store: AlertStore, given: Outcome, survived: int) -> bool:
        """Commit, dying before statement number `survived`; whether there were no more than that."""
        left = [survived]

        def die(*_: object) -> None:
            if not left[0]:
                raise Died
            left[0] -= 1

        event.listen(engine, "before_cursor_execute", die)
        try:
            store.commit(given)
        except Died:
            return False
        finally:
            event.remove(engine, "before_cursor_execute", die)
        return True

    def test_reading_sees_one_moment(self, store: AlertStore, engine: Engine) -> None:
        """What is committed while somebody reads does not appear half-way through, and nobody waits."""
        store.claim(SOURCE, 0, 0)
        with reading(engine) as session:
            before = session.scalar(select(func.count()).select_from(AlertRow))
            store.commit(outcome(0, 5, [flagged(1)]))
            assert session.scalar(select(func.count()).select_from(AlertRow)) == before
        assert size(engine, AlertRow) == 1

    def test_an_outcome_of_another_monitor_is_a_mistake(self, store: AlertStore) -> None:
        """A store takes its own monitor's outcomes only."""
        with pytest.raises(ValueError, match="store of 'pump'"):
            store.commit(replace(outcome(0, 1), monitor="other"))

    def test_a_snapshot_writes_only_what_changed(self, store: AlertStore) -> None:
        """Chunks that a snapshot does not name stay as they are; those beyond its number go, and so do surplus pieces."""
        store.claim(SOURCE, 0, 0)
        large = bytes(range(256)) * 150_000  # 38 MB: three pieces
        store.commit(replace(outcome(0, 5), snapshots=(snapshot(5, None, {0: b"a", 1: large, 2: b"c"}),)))
        assert stored(store) == (5, b"head of 5", [b"a", large, b"c"])
        store.commit(replace(outcome(5, 9), snapshots=(snapshot(9, "5", {1: b"b"}),)))
        assert stored(store) == (9, b"head of 9", [b"a", b"b", b"c"])
        store.commit(replace(outcome(9, 12), snapshots=(snapshot(12, "9", {0: b"A"}, count=1),)))
        assert stored(store) == (12, b"head of 12", [b"A"])

    def test_a_snapshot_that_follows_another_than_the_stored_one_is_fenced(self, store: AlertStore) -> None:
        """Where another process wrote the partition's context, without moving it, nothing of the batch is written."""
        store.claim(SOURCE, 0, 0)
        store.commit(replace(outcome(0, 5), snapshots=(snapshot(5, None, {0: b"a", 1: b"b"}),)))
        theirs = replace(outcome(5, 5), snapshots=(snapshot(6, "5", {0: b"theirs"}),))
        store.commit(theirs)
        for follows in ("5", None):
            with pytest.raises(PartitionLost, match="partition 0 has another context") as lost:
                store.commit(replace(outcome(5, 9), snapshots=(snapshot(9, follows, {1: b"ours"}),)))
            assert lost.value.partitions == (0,)
        assert store.positions(SOURCE) == {0: 5}
        assert stored(store) == (6, b"head of 6", [b"theirs", b"b"])
        store.commit(theirs)  # nobody had heard that it landed
        assert stored(store) == (6, b"head of 6", [b"theirs", b"b"])

    def test_chunks_are_those_of_the_snapshot_or_none(self, store: AlertStore) -> None:
        """Where another snapshot takes a snapshot's place before its chunks are read, they are to be asked for anew."""
        store.claim(SOURCE, 0, 0)
        store.commit(replace(outcome(0, 5), snapshots=(snapshot(5, None, {0: b"a", 1: b"b"}),)))
        shot = store.snapshots(SOURCE, [0])[0]
        with store.chunks(SOURCE, shot) as chunks:
            assert next(chunks) == b"a"
            store.commit(replace(outcome(5, 9), snapshots=(snapshot(9, "5", {1: b"later"}),)))
            assert list(chunks) == [b"b"]
        with pytest.raises(Unavailable, match="replaced"), store.chunks(SOURCE, shot):
            pass

    def test_the_former_format_is_replaced(self, store: AlertStore, engine: Engine) -> None:
        """A context in one blob, as versions without chunks wrote it, is read as a head and followed by chunks."""
        store.claim(SOURCE, 0, 5)
        former = {"monitor": MONITOR, "source": SOURCE, "partition": 0, "offset": 5, "bundle": "b", "blob": b"whole"}
        with transaction(engine) as session:
            session.execute(insert(SnapshotRow), [former | {"updated": at(0)}])
        assert stored(store) == (5, b"whole", [])
        store.commit(replace(outcome(5, 9), snapshots=(snapshot(9, "", {0: b"a"}),)))
        assert stored(store) == (9, b"head of 9", [b"a"])


def snapshot(offset: int, follows: str | None, chunks: dict[int, bytes], count: int | None = None) -> ContextSnapshot:
    """A snapshot of partition 0, its stamp the offset; by default it has three chunks or as many as are given."""
    head = f"head of {offset}".encode()
    whole = len(chunks) if follows in (None, "") else 3
    return ContextSnapshot(0, offset, "abc123", str(offset), follows, head, whole if count is None else count, chunks)


def stored(store: AlertStore) -> tuple[int, bytes, list[bytes]]:
    """Offset, head and chunks of partition 0's context."""
    shot = store.snapshots(SOURCE, [0])[0]
    with store.chunks(SOURCE, shot) as chunks:
        return shot.offset, shot.head, list(chunks)
