"""The context store: its result depends on the stream alone, not on batches, restarts or neighbours."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts
from latentwatch.domain.errors import InvalidInput, StreamRefused
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.context import context_blob
from latentwatch.streams.context.context_blob import CHUNK_BYTES, chunk_entities
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.context.lateness import LateContexts
from latentwatch.streams.segments import segments
from latentwatch.streams.testing import FakeContext

SCHEMA = RecordSchema.model_validate({"entity": "e", "features": {"a": "numeric"}})


def batch(entities: list[str], partition: int = 0, first_offset: int = 0) -> Batch:
    """One number a record, rising with the offset."""
    offsets = np.arange(first_offset, first_offset + len(entities))
    return batch_from_columns(
        SCHEMA,
        {"a": offsets % 13},
        entities=entities,
        times=offsets * 1_000_000,
        partition=partition,
        first_offset=first_offset,
    )


Kept = tuple[bytes, list[bytes]]
"""Head and chunks of a partition."""


def kept(store: ContextStore, before: Kept = (b"", [])) -> Kept:
    """What the database has of partition 0 after a snapshot, given what it had before."""
    shot = store.snapshot(0, 0, "bundle")
    chunks = dict(enumerate(before[1])) | dict(shot.chunks)
    return shot.head, [chunks[number] for number in range(shot.count)]


NAMES = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=60)


@given(NAMES, st.integers(1, 20), st.integers(1, 6))
def test_batches_may_be_cut_anywhere(names: list[str], size: int, limit: int) -> None:
    """Contexts and states are the same, bit for bit, however the records are cut, also while entities are forgotten."""
    whole, parts = ContextStore(FakeContext(1), limit), ContextStore(FakeContext(1), limit)
    expected = whole.extend(batch(names))
    pieces = [parts.extend(batch(names[i : i + size], first_offset=i)) for i in range(0, len(names), size)]
    assert np.array_equal(expected.features, np.concatenate([piece.features for piece in pieces]))
    assert np.array_equal(expected.seen, np.concatenate([piece.seen for piece in pieces]))
    assert kept(whole) == kept(parts)
    assert len(whole) <= limit


@given(NAMES, st.integers(0, 60), st.integers(2, 6), st.sampled_from([1, 200, CHUNK_BYTES]))
def test_a_snapshot_goes_on_as_if_nothing_had_happened(
    names: list[str], cut: int, limit: int, chunk_bytes: int
) -> None:
    """A store loaded from a snapshot ends in the same states as one that was never interrupted, to the last chunk."""
    cut = min(cut, len(names))
    whole, before, after = (ContextStore(FakeContext(1), limit, chunk_bytes=chunk_bytes) for _ in range(3))
    whole.extend(batch(names))
    before.extend(batch(names[:cut]))
    stored = kept(before)
    assert after.load(0, *stored)
    after.extend(batch(names[cut:], first_offset=cut))
    assert kept(after, stored) == kept(whole)


def test_the_longest_silent_entities_are_forgotten_first() -> None:
    """A partition remembers a bounded number of entities; the one that speaks stays."""
    store = ContextStore(FakeContext(1), max_entities=8)
    talker = ["talker"] * 3
    for number in range(100):
        store.extend(batch([*talker, f"new-{number}"], first_offset=number * 4))
    assert len(store) <= 8
    seen = store.extend(batch(["talker", "new-0"], first_offset=1_000)).seen
    assert seen.tolist() == [300, 0]


def test_partitions_are_apart() -> None:
    """The same entity in two partitions has two states, and dropping one partition leaves the other."""
    store = ContextStore(FakeContext(1))
    store.extend(batch(["a", "a"], partition=0))
    store.extend(batch(["a"], partition=1))
    store.drop(0)
    assert store.extend(batch(["a"], partition=0)).seen.tolist() == [0]
    assert store.extend(batch(["a"], partition=1, first_offset=1)).seen.tolist() == [1]


class Brittle(FakeContext):
    """Breaks at the number 5, having begun."""

    def extend(self, states: NDArray[np.float32], owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Raises ValueError."""
        contexts = super().extend(states, owners, batch)
        if 5 in batch.numbers:
            raise ValueError("five")
        return contexts


def test_an_encoder_error_leaves_the_states_as_they_were() -> None:
    """A batch that fails can be tried again in parts."""
    store, plain = ContextStore(Brittle(1)), ContextStore(FakeContext(1))
    for each in (store, plain):
        each.extend(batch(["a", "b"]))
    with pytest.raises(ValueError, match="five"):
        store.extend(batch(["a", "b", "c", "a"], first_offset=2))
    assert np.array_equal(
        store.extend(batch(["a", "b"], first_offset=6)).features,
        plain.extend(batch(["a", "b"], first_offset=6)).features,
    )


@pytest.mark.parametrize("late", [False, True], ids=["in order", "late records allowed"])
def test_a_batch_that_fails_after_some_were_forgotten_changes_nothing(late: bool) -> None:
    """More entities than are remembered: what stood before the one that breaks has not come either."""

    def remember(encoder: FakeContext) -> ContextStore:
        if late:
            return LateContexts(encoder, timedelta(seconds=5), SCHEMA, "test", max_entities=4)
        return ContextStore(encoder, max_entities=4)

    store, plain = remember(Brittle(1)), remember(FakeContext(1))
    names = ["a", "b", "c", "a", "d", "e", "f"]  # the sixth has no room, and its number is 5
    with pytest.raises(ValueError, match="five"):
        store.extend(batch(names))
    for each in (store, plain):
        each.extend(batch(names[:5]))
        each.extend(batch(names[5:], first_offset=6))
    assert kept(store) == kept(plain)
    assert store.take_heard() == plain.take_heard()


@pytest.mark.parametrize("damage", [b"", b"LWCTX001", b"LWCTX002", b"nonsense", b"LWCTX002\x02\0\0\0[]"])
def test_a_damaged_head_is_refused(damage: bytes) -> None:
    """Bytes that are no head of a context raise an error that says what happens next."""
    with pytest.raises(InvalidInput, match="damaged"):
        ContextStore(FakeContext(1)).load(0, damage)


@pytest.mark.parametrize("damage", [
    lambda chunks: [],
    lambda chunks: chunks[:1],
    lambda chunks: [*chunks, chunks[-1]],
    lambda chunks: [chunks[1], chunks[0]],
    lambda chunks: [chunks[0], chunks[0]],
    lambda chunks: [chunks[0], chunks[1][:-1]],
    lambda chunks: [chunks[0], b""],
])  # fmt: skip
def test_damaged_chunks_are_refused(damage: Callable[[list[bytes]], list[bytes]]) -> None:
    """Chunks that are cut short, missing, doubled or exchanged raise an error that says what happens next."""
    store = ContextStore(FakeContext(1), chunk_bytes=1)
    store.extend(batch(["a", "b"]))
    head, chunks = kept(store)
    assert len(chunks) == 2
    with pytest.raises(InvalidInput, match="damaged"):
        ContextStore(FakeContext(1), chunk_bytes=1).load(0, head, damage(chunks))


def test_swapping_encoders_keeps_states_that_can_go_on() -> None:
    """An encoder of the same shape adopts the states; one of another shape starts every entity anew."""
    store = ContextStore(FakeContext(1))
    store.extend(batch(["a", "b", "a"]))
    assert store.swap(FakeContext(1), batch([]).schema)
    assert store.extend(batch(["a"], first_offset=3)).seen.tolist() == [2]
    assert not store.swap(FakeContext(2), batch([]).schema)
    assert store.encoder.width == 2


def test_a_snapshot_of_another_shape_is_left_aside() -> None:
    """States that do not fit the serving encoder are not forced into it."""
    store = ContextStore(FakeContext(1))
    store.extend(batch(["a"]))
    head, chunks = kept(store)
    assert not ContextStore(FakeContext(2)).load(0, head, chunks)
    assert not ContextStore(FakeContext(2)).load(0, head, chunks, FakeContext(1))


def test_only_chunks_that_changed_are_written() -> None:
    """A context above a chunk's size is written in chunks, and then only those whose entities spoke or were forgotten."""
    size = chunk_entities(2, chunk_bytes=600)
    assert size == 8
    store = ContextStore(FakeContext(1), max_entities=40, chunk_bytes=600)
    store.extend(batch([f"rig-{number}" for number in range(40)]))
    first = store.snapshot(0, 40, "bundle")
    assert (first.follows, first.count, list(first.chunks)) == (None, 5, [0, 1, 2, 3, 4])
    stored = first.head, list(first.chunks.values())
    store.extend(batch(["rig-9", "rig-33", "rig-8"], first_offset=40))
    second = store.snapshot(0, 43, "bundle")
    assert (second.follows, second.count, list(second.chunks)) == (first.stamp, 5, [1, 4])
    assert list(store.snapshot(0, 43, "bundle").chunks) == []
    store.extend(batch(["new"], first_offset=43))  # the longest silent eighth goes: rig-0 to rig-4
    last = store.snapshot(0, 44, "bundle")
    assert list(last.chunks) == [0]
    chunks = dict(enumerate(stored[1])) | dict(second.chunks) | dict(last.chunks)
    again = ContextStore(FakeContext(1), max_entities=40, chunk_bytes=600)
    assert again.load(0, last.head, list(chunks.values()))
    assert again.extend(batch(["rig-9", "new", "rig-0"], first_offset=44)).seen.tolist() == [2, 1, 0]
    assert kept(again, (last.head, list(chunks.values())))[1] != stored[1]


def test_chunks_are_packed_when_they_are_asked_for() -> None:
    """A snapshot holds no second copy of a large context: each chunk is made when it is written."""
    store = ContextStore(FakeContext(1), chunk_bytes=1)
    store.extend(batch(["a", "b", "c"]))
    shot = store.snapshot(0, 3, "bundle")
    assert store.packed_bytes == 0
    one = len(shot.chunks[1])
    assert store.packed_bytes == one > 0
    with pytest.raises(KeyError):
        shot.chunks[3]


def test_another_model_writes_all_chunks_anew() -> None:
    """After a swap, or a restart under another encoder or another size of chunks, no chunk of before is left."""
    store = ContextStore(FakeContext(1), chunk_bytes=1)
    store.extend(batch(["a", "b"]))
    stored = kept(store)
    store.swap(FakeContext(1), SCHEMA)
    assert list(store.snapshot(0, 2, "other").chunks) == [0, 1]
    for after, previous in (
        (ContextStore(FakeContext(1), chunk_bytes=1), FakeContext(1)),
        (ContextStore(FakeContext(1)), None),
    ):
        assert after.load(0, *stored, previous)
        after.follow(0, "stamp")
        shot = after.snapshot(0, 2, "other")
        assert (shot.follows, len(shot.chunks)) == ("stamp", shot.count)


@pytest.mark.parametrize("late", [False, True], ids=["in order", "late records allowed"])
def test_the_former_format_is_read_and_replaced(late: bool) -> None:
    """A partition in one blob, as versions before chunks wrote it, is taken up whole, and all of it written in chunks."""
    plain, after = (remember(late, chunk_bytes=1) for _ in range(2))
    names = ["a", "b", "a", "c", "a", "b"]
    plain.extend(batch(names))
    if isinstance(plain, LateContexts):
        verdicts = np.arange(6, dtype=np.float32), np.arange(6) == 2, np.full(6, 3, np.int32)
        plain.judge_new(batch(names), *verdicts)
    assert after.load(0, FORMER_LATE if late else FORMER)
    assert kept(after) == kept(plain)


def test_recent_records_travel_with_their_entities_chunk() -> None:
    """Where late records are allowed, a restart from chunks finds each entity's recent records and goes on as before."""
    whole, before, after = (remember(True, chunk_bytes=600) for _ in range(3))
    names = [f"rig-{number % 20}" for number in range(100)]
    for store in (whole, before):
        store.extend(batch(names))
    stored = kept(before)
    before.extend(batch(["rig-3"], first_offset=100))
    shot = before.snapshot(0, 101, "bundle")
    assert list(shot.chunks) == [0]
    stored = shot.head, [shot.chunks[0], *stored[1][1:]]
    assert after.load(0, *stored)
    whole.extend(batch(["rig-3"], first_offset=100))
    for store in (whole, after):
        tardy = batch(["rig-5", "rig-17"], first_offset=101)
        tardy = replace(tardy, times=tardy.times - 18_000_000)
        store.extend(tardy)
    assert kept(after, stored) == kept(whole)
    assert isinstance(after, LateContexts)
    assert isinstance(whole, LateContexts)
    assert after.take_moved().keys() == whole.take_moved().keys() != set()


def remember(late: bool, chunk_bytes: int) -> ContextStore:
    """An empty store with room for 40 entities."""
    if late:
        allowed = timedelta(seconds=30)
        return LateContexts(FakeContext(1), allowed, SCHEMA, "memory", max_entities=40, chunk_bytes=chunk_bytes)
    return ContextStore(FakeContext(1), max_entities=40, chunk_bytes=chunk_bytes)


def test_what_no_chunk_can_hold_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """More recent records than can be kept end the scorer with what to change, before a database is asked."""
    monkeypatch.setattr(context_blob, "_LARGEST_CHUNK", 100)
    store = ContextStore(FakeContext(1))
    store.extend(batch(["a", "b"]))
    with pytest.raises(StreamRefused, match=r"2 entities takes .* allow less lateness"):
        dict(store.snapshot(0, 2, "bundle").chunks)


def test_all_entities_have_their_turn_to_be_reported() -> None:
    """However often the first entities speak, a limited report comes round to the last; each partition has its share."""
    store = ContextStore(FakeContext(1))
    store.extend(batch([f"rig-{number}" for number in range(40)], partition=0))
    store.extend(batch([f"rig-{number}" for number in range(10)], partition=1))
    told: set[tuple[int, str]] = set()
    for turn in range(5):
        states = store.report([0, 1], limit=10)
        assert len(states) == 10
        told |= {(state.partition, state.entity) for state in states}
        store.extend(batch([f"rig-{number}" for number in range(8)], first_offset=40 + 8 * turn))
    assert len(told) == 50


def test_who_was_not_reported_is_after_a_restart() -> None:
    """What the database was not told of an entity before its scorer ended, it is told afterwards."""
    store, after = ContextStore(FakeContext(1)), ContextStore(FakeContext(1))
    store.extend(batch([f"rig-{number}" for number in range(5)]))
    store.report([0], limit=2)
    after.load(0, *kept(store))
    assert [state.entity for state in after.report([0])] == ["rig-2", "rig-3", "rig-4"]


def test_reports_each_entity_once_a_change() -> None:
    """Entity states are reported when there is news, a bounded number at a time."""
    store = ContextStore(FakeContext(1))
    store.extend(batch([f"rig-{number}" for number in range(5)]))
    first = store.report([0], limit=3)
    rest = store.report([0], limit=3)
    assert [state.entity for state in first + rest] == [f"rig-{number}" for number in range(5)]
    assert store.report([0]) == ()
    store.extend(batch(["rig-2"] * 4, first_offset=5))
    (state,) = store.report([0])
    assert (state.records, state.warming, state.partition) == (5, False, 0)


def test_segments_are_runs_of_one_partition() -> None:
    """Interleaved partitions give several runs; none gives none."""
    assert segments(np.array([1, 1, 0, 1], np.int32)) == [(1, 0, 2), (0, 2, 3), (1, 3, 4)]
    assert segments(np.zeros(0, np.int32)) == []


FORMER = bytes.fromhex(
    "4c57435458303031880000007b22656e746974696573223a205b2261222c202262222c202263225d2c202273746174655f73697a"
    "65223a20322c20226c6564676572223a20342c2022726563656e745f6279746573223a20302c202270726f6d697365223a207b22"
    "6c6f675f7765616c7468223a205b302e302c20302e302c20302e305d2c20227265636f726473223a20307d7de17a143f00004040"
    "3e0a173f000000409a99993e0000803f03000000000000000200000000000000010000000000000000093d0000000000404b4c00"
    "00000000c0c62d000000000004000000000000000500000000000000030000000000000000000000000000000000000000000000"
    "0000000000000000"
)
"""Records of a, b, a, c, a and b, a second apart, as versions before chunks wrote them."""
FORMER_LATE = bytes.fromhex(
    "4c574354583030318a0000007b22656e746974696573223a205b2261222c202262222c202263225d2c202273746174655f73697a"
    "65223a20322c20226c6564676572223a20342c2022726563656e745f6279746573223a203430392c202270726f6d697365223a20"
    "7b226c6f675f7765616c7468223a205b302e302c20302e302c20302e305d2c20227265636f726473223a20307d7de17a143f0000"
    "40403e0a173f000000409a99993e0000803f03000000000000000200000000000000010000000000000000093d0000000000404b"
    "4c0000000000c0c62d00000000000400000000000000050000000000000003000000000000000000000000000000000000000000"
    "00000000000000000000990000007b22666f726569676e223a2066616c73652c2022656e746974696573223a20332c2022737461"
    "74655f73697a65223a20322c20227265636f726473223a20362c20226e756d62657273223a20312c202263617465676f72696573"
    "223a205b5b5d2c205b5d2c205b5d2c205b5d2c205b5d2c205b5d5d2c20227465787473223a205b5b5d2c205b5d2c205b5d2c205b"
    "5d2c205b5d2c205b5d5d7d0000000000000000000000000000000000000000000000000000000000000040000080400000803f00"
    "00a04000004040000000000000000080841e000000000000093d000000000040420f0000000000404b4c0000000000c0c62d0000"
    "00000000000000000000000200000000000000040000000000000001000000000000000500000000000000030000000000000000"
    "00000000000000000000000000000000000000000000000100000000000000010000000000000002000000000000000000000000"
    "000040000080400000803f0000a04000004040030000000300000003000000030000000300000003000000000100000000000000"
    "000000"
)
"""The same with late records allowed, each with its place as surprise, the third flagged, by version 3."""
