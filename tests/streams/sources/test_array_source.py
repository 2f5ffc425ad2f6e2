"""Messages that hold arrays of records: each record is accounted for once, by a position of its own."""

import json
from collections.abc import Iterable

import numpy as np
import pytest

from latentwatch.domain.record import Position, RawMessage
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.ports import Source, messages_of
from latentwatch.streams.sources.array_source import STRIDE, ArraySource, name_of, split
from latentwatch.streams.sources.memory_broker import MemoryBroker
from tests.streams.contract import SourceContract
from tests.streams.stage import Stage, monitor, record

SIZES = (1, 9, 0, 30, 10, 50)
"""Records of each message; one hundred together."""


def array(numbers: Iterable[int]) -> bytes:
    """A message of records."""
    return b" [" + b", ".join(map(record, numbers)) + b"]"


def offset_of(place: int, sizes: Iterable[int] = SIZES) -> int:
    """The offset of a record by its place in the stream."""
    for message, size in enumerate(sizes):
        if place < size:
            return (message + 1) * STRIDE - size + place
        place -= size
    raise IndexError(place)


class TestArraySource(SourceContract):
    """The contract of every source, record by record."""

    def at(self, place: int) -> int:
        """Counted back from the end of its message."""
        return offset_of(place)

    @pytest.fixture
    def source(self) -> Source:
        """A hundred records in six messages, one of them empty."""
        broker, first = MemoryBroker(), 0
        for size in SIZES:
            broker.produce(array(range(first, first + size)))
            first += size
        return ArraySource(broker.join())


def test_what_is_no_array_is_one_record() -> None:
    """Objects, tombstones and noise keep their bytes and stand at the end of their message's offsets."""
    values = [record(1), None, b"[1, 2", b"[]", b'[{"a": 1}, 7]']
    found = split(messages_of("topic", [RawMessage(3, 10 + row, value, row) for row, value in enumerate(values)]))
    assert found.source == name_of("topic")
    assert found.values == [record(1), None, b"[1, 2", b'{"a": 1}', b"7"]
    assert found.offsets.tolist() == [
        11 * STRIDE - 1,
        12 * STRIDE - 1,
        13 * STRIDE - 1,
        15 * STRIDE - 2,
        15 * STRIDE - 1,
    ]
    assert found.timestamps_ms.tolist() == [0, 1, 2, 4, 4]
    assert set(found.partitions.tolist()) == {3}


def fill(stage: Stage) -> int:
    """Arrays of every size in both partitions, with bad records and a truncated message; the number of records."""
    random, first, count = np.random.default_rng(5), 0, 0
    for message in range(60):
        size = int(random.integers(0, 40))
        numbers = list(range(first, first + size))
        values = [record(number) if number % 31 else b'{"a": "high"}' for number in numbers]
        stage.broker.produce(b"[" + b",".join(values) + b"]", message % 2)
        first += size
        count += size
    stage.broker.produce(array(range(5))[:-10], 0)
    return count + 1


@pytest.mark.parametrize("records", [7, 64, 4_096])
@pytest.mark.parametrize("late", [False, True])
def test_every_record_of_every_array_is_accounted_for_once(records: int, late: bool) -> None:
    """Scored and dead letters add up to the records; a bad record is a dead letter alone, with its own bytes."""
    stage = Stage(partitions=2)
    count = fill(stage)
    stage.run(source=ArraySource(stage.broker.join()), records=records, late=late)
    assert stage.accounted() == count
    letters = [letter for outcome in stage.store.outcomes for letter in outcome.dead_letters]
    assert {letter.payload for letter in letters} == {b'{"a": "high"}', array(range(5))[:-10]}
    assert {source for source, _ in stage.store.offsets} == {name_of("memory")}


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("step", ["polled", "decoded", "scored", "before commit", "committed"])
def test_a_process_that_dies_in_the_middle_of_a_message_doubles_nothing(step: str) -> None:
    """The next process goes on with the next record of the same message; verdicts equal an uninterrupted run's."""
    whole, broken = Stage(partitions=2), Stage(partitions=2)
    for stage in (whole, broken):
        fill(stage)
    whole.run(source=ArraySource(whole.broker.join()), records=16)

    def die(reached: str) -> None:
        if reached == step and any(end % STRIDE for end in broken.store.offsets.values()):
            raise Crash

    with pytest.raises(Crash):
        broken.run(source=ArraySource(broken.broker.join()), records=16, reach=die)
    broken.run(source=ArraySource(broken.broker.join()), records=16)
    assert broken.accounted() == whole.accounted()
    assert broken.store.surprises == whole.store.surprises
    assert broken.store.dead_letters == whole.store.dead_letters
    assert broken.store.offsets == whole.store.offsets


def test_the_end_of_a_message_is_the_beginning_of_the_next() -> None:
    """A stream that was read to its end is not behind, also where retention has deleted everything that was read."""
    stage = Stage()
    stage.broker.produce(array(range(10)))
    stage.run(source=ArraySource(stage.broker.join()))
    assert stage.store.offsets == {(name_of("memory"), 0): STRIDE}
    stage.broker.begins[0] = 1
    stage.broker.logs[0].clear()
    stage.broker.produce(array(range(10, 20)))
    stage.run(source=ArraySource(stage.broker.join()))
    assert stage.accounted() == 20


def test_kafkas_own_tools_see_messages() -> None:
    """What is acknowledged are messages that were scored whole."""
    broker = MemoryBroker()
    member = broker.join()
    source = ArraySource(member)
    source.acknowledge({0: 3 * STRIDE})
    assert member.acknowledged == {0: 3}
    source.acknowledge({0: 4 * STRIDE - 2})
    assert member.acknowledged == {0: 3}


def test_history_gives_records_the_positions_of_the_stream() -> None:
    """What is learned from and what is scored are the same records."""
    rows = [RawMessage(0, 0, array(range(3)), 0), RawMessage(0, 1, b"[7]", 0)]
    decoded = JsonDecoder(monitor().record).decode(split(messages_of("memory", rows)))
    assert decoded.batch.offsets.tolist() == [STRIDE - 3, STRIDE - 2, STRIDE - 1]
    assert json.loads(decoded.dead_letters[0].payload) == 7
    assert decoded.dead_letters[0].position == Position(name_of("memory"), 0, 2 * STRIDE - 1)
