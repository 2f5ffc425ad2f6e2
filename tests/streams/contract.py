"""The contract of a source, as a suite that any source can be held against."""

from collections.abc import Iterator

import pytest

from latentwatch.domain.clock import SystemClock
from latentwatch.streams.ports import Source

PATIENCE_SECONDS = 60.0


def await_partitions(source: Source) -> tuple[int, ...]:
    """Poll until partitions are gained."""
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_SECONDS
    gained: tuple[int, ...] = ()
    while not gained and clock.monotonic() < deadline:
        assert len(source.poll(10, 0.1)) == 0, "a partition spoke before it was sought"
        gained = source.changes().gained
    assert gained, "no partition was gained"
    return gained


def read(source: Source, count: int, max_records: int = 7) -> list[int]:
    """Offsets of the next messages, at least `count` where there are so many."""
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_SECONDS
    offsets: list[int] = []
    while len(offsets) < count and not source.finished and clock.monotonic() < deadline:
        messages = source.poll(max_records, 0.2)
        assert len(messages) <= max_records
        assert len(messages) == len(messages.values) == len(messages.offsets) == len(messages.timestamps_ms)
        offsets += messages.offsets.tolist()
    return offsets


class SourceContract:
    """Give a fixture `source` with COUNT messages in partition 0, offsets from 0 unless `at` says otherwise."""

    COUNT = 100

    def at(self, place: int) -> int:
        """The offset of a message by its place in the source."""
        return place

    def offsets(self, first: int, end: int) -> list[int]:
        """The offsets of the messages from one place to another."""
        return [self.at(place) for place in range(first, end)]

    @pytest.fixture
    def opened(self, source: Source) -> Iterator[Source]:
        """The source with its partition gained, silent."""
        source.open()
        assert await_partitions(source) == (0,)
        yield source
        source.close()

    def test_delivers_everything_in_order(self, opened: Source) -> None:
        """From the start offset to the end, each message once, never more than asked for."""
        opened.seek(0, opened.start_offset(0))
        assert read(opened, self.COUNT) == self.offsets(0, self.COUNT)

    def test_a_new_monitor_begins_in_every_partition(self, opened: Source) -> None:
        """Here at the first message, which is also where a partition begins that was added later."""
        assert opened.starts() == {0: opened.start_offset(0)}

    def test_goes_on_from_any_offset(self, opened: Source) -> None:
        """A stored position is where delivery begins, forwards and backwards."""
        opened.seek(0, self.at(60))
        assert read(opened, 10)[:10] == self.offsets(60, 70)
        opened.seek(0, self.at(15))
        assert read(opened, 10)[:10] == self.offsets(15, 25)

    def test_pause_brings_nothing_and_loses_nothing(self, opened: Source) -> None:
        """While paused, polls are empty; afterwards delivery goes on where it was."""
        opened.seek(0, opened.start_offset(0))
        first = read(opened, 10)
        opened.pause()
        assert all(len(opened.poll(10, 0.05)) == 0 for _ in range(5))
        opened.resume()
        assert first + read(opened, 10)[:1] == self.offsets(0, len(first) + 1)

    def test_a_partition_sought_during_a_pause_stays_silent(self, opened: Source) -> None:
        """Seeking does not undo a pause."""
        opened.pause()
        opened.seek(0, self.at(5))
        assert len(opened.poll(10, 0.05)) == 0
        opened.resume()
        assert read(opened, 1)[0] == self.at(5)

    def test_a_held_partition_waits_to_be_sought(self, opened: Source) -> None:
        """Hold silences one partition until it is sought again."""
        opened.seek(0, 0)
        read(opened, 5)
        opened.hold(0)
        assert all(len(opened.poll(10, 0.05)) == 0 for _ in range(5))
        opened.seek(0, self.at(20))
        assert read(opened, 1)[0] == self.at(20)

    def test_an_unassigned_partition_cannot_be_sought(self, opened: Source) -> None:
        """A partition of somebody else's is refused."""
        with pytest.raises(KeyError):
            opened.seek(7, 0)

    def test_acknowledging_moves_nothing(self, opened: Source) -> None:
        """It is best effort, may be repeated, and delivery goes on where it was."""
        opened.seek(0, self.at(0))
        first = read(opened, 5)
        opened.acknowledge({0: self.at(5)})
        opened.acknowledge({0: self.at(5)})
        assert first + read(opened, 1)[:1] == self.offsets(0, len(first) + 1)

    def test_closing_twice_harms_nothing(self, opened: Source) -> None:
        """Whoever opened it may close it too, however far it was read."""
        opened.seek(0, self.at(0))
        read(opened, 5)
        assert all(behind >= 0 for behind in opened.lag().values())
        opened.close()
        opened.close()
