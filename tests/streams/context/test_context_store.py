"""The context store: its result depends on the stream alone, not on batches, restarts or neighbours."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.context.context_blob import CHUNK_BYTES
from latentwatch.streams.context.context_store import ContextStore, segments
from latentwatch.streams.context.lateness import LateContexts
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
