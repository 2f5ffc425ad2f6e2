"""A stretch that another engine fetched, read as a source: to its end, from where the database says, never past a hole."""

import pytest

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.record import RawMessage
from latentwatch.streams.ports import Gap, messages_of
from latentwatch.streams.sources.array_source import STRIDE, ArraySource
from latentwatch.streams.sources.slice_source import Rewound, SliceSource


def stretch(begins: dict[int, int], earliest: dict[int, int]) -> SliceSource:
    """Offsets 10, 11 and 14 of partition 2, and 5 of partition 0."""
    places = [(2, 10), (2, 11), (2, 14), (0, 5)]
    messages = messages_of("topic", [RawMessage(p, offset, b"{}", 0) for p, offset in places])
    return SliceSource(messages, begins, earliest, clock=ManualClock())


def test_everything_is_delivered_in_order_once() -> None:
    """Partition by partition, offsets rising, with the source's own holes; then it is finished."""
    source = stretch({0: 5, 2: 9}, {0: 0, 2: 0})
    assert source.changes().gained == (0, 2)
    source.seek(0, 5)
    source.seek(2, 9)
    found = []
    while not source.finished:
        found += [(message.partition, message.offset) for message in source.poll(2, 0.1)]
    assert found == [(0, 5), (2, 10), (2, 11), (2, 14)]
    assert source.changes().gained == ()


def test_seeking_goes_on_where_the_database_stands() -> None:
    """Within the stretch, before its first message where nothing lies between, behind its end, and back again."""
    source = stretch({0: 5, 2: 9}, {})
    source.hold(2)
    assert not source.finished
    source.seek(2, 12)
    source.seek(0, 99)
    assert [message.offset for message in source.poll(10, 0.1)] == [14]
    assert source.finished
    source.seek(2, 11)
    assert [message.offset for message in source.poll(10, 0.1)] == [11, 14]


def test_what_lies_before_the_stretch_is_asked_for() -> None:
    """An earlier offset is never passed over: the engine is to fetch it."""
    source = stretch({0: 5, 2: 9}, {0: 0, 2: 3})
    with pytest.raises(Rewound, match=r"topic\[2\] is at 8"):
        source.seek(2, 8)


def test_what_the_topic_no_longer_has_is_a_gap() -> None:
    """Where the stretch begins with the topic itself, earlier records are gone: that is for the gap policy."""
    source = stretch({0: 5, 2: 9}, {2: 9})
    source.seek(2, 4)
    assert source.changes().gaps == (Gap(2, 4, 9),)
    assert not source.finished


def test_a_paused_stretch_delivers_nothing() -> None:
    """Paused as any source; a partition that is not in the stretch cannot be sought."""
    source = stretch({}, {0: 5})
    source.seek(0, source.start_offset(0))
    source.pause()
    assert len(source.poll(10, 0.1)) == 0
    source.resume()
    assert len(source.poll(10, 0.1)) == 1
    with pytest.raises(KeyError):
        source.seek(7, 0)


def test_records_of_arrays_come_one_by_one() -> None:
    """Messages that hold arrays keep the positions of their records, from the middle of a message on too."""
    messages = messages_of("topic", [RawMessage(0, 5, b'[{"a":1},{"a":2}]', 0), RawMessage(0, 6, b'{"a":3}', 0)])
    source = ArraySource(SliceSource(messages, {0: 5}, {0: 0}, clock=ManualClock()))
    assert source.changes().gained == (0,)
    source.seek(0, 6 * STRIDE - 1)
    found = [message for _ in range(4) for message in source.poll(10, 0.1)]
    assert [(message.offset, message.value) for message in found] == [
        (6 * STRIDE - 1, b'{"a":2}'),
        (7 * STRIDE - 1, b'{"a":3}'),
    ]
    assert source.finished
    with pytest.raises(Rewound):
        source.seek(0, 5 * STRIDE - 1)
