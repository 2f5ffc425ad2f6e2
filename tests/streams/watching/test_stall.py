"""A partition that stands still is noticed when records wait in it, and only then."""

from latentwatch.domain.clock import ManualClock
from latentwatch.streams.watching.stall import StallWatch

LOOKS = 3


def look(
    watch: StallWatch, positions: dict[int, int], ends: dict[int, int], client: dict[int, int] | None
) -> list[int]:
    """What one look finds."""
    still = watch.standing(positions)
    return watch.stalled({partition: ends[partition] for partition in still}, client)


def watch() -> StallWatch:
    """A watch that has looked once at partition 0, at offset 5."""
    fresh = StallWatch(ManualClock())
    assert fresh.standing({0: 5}) == []
    return fresh


def test_records_that_wait_in_a_topic_nobody_writes_to_any_more_are_noticed():
    """The client has not read to the end, although the end does not grow."""
    found = watch()
    assert [look(found, {0: 5}, {0: 9}, {0: 5}) for _ in range(LOOKS)] == [[], [], [0]]


def test_what_transactions_leave_behind_the_last_record_is_no_record():
    """The client has passed over it: nothing waits."""
    found = watch()
    assert [look(found, {0: 5}, {0: 9}, {0: 9}) for _ in range(2 * LOOKS)] == [[]] * 2 * LOOKS


def test_without_the_clients_word_an_end_must_grow():
    """A client that does not say how far it has read is believed until records come behind those it knows."""
    found = watch()
    assert [look(found, {0: 5}, {0: 9}, None) for _ in range(2 * LOOKS)] == [[]] * 2 * LOOKS
    assert [look(found, {0: 5}, {0: 10 + turn}, None) for turn in range(LOOKS)] == [[], [], [0]]


def test_a_partition_that_moves_begins_anew():
    """Looks count only while the position stands."""
    found = watch()
    look(found, {0: 5}, {0: 9}, {0: 5})
    look(found, {0: 5}, {0: 9}, {0: 5})
    assert look(found, {0: 6}, {0: 9}, {0: 6}) == []
    assert [look(found, {0: 6}, {0: 9}, {0: 6}) for _ in range(LOOKS)] == [[], [], [0]]
