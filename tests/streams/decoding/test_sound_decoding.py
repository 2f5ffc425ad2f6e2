"""Whatever a decoder raises, one message pays for it: the loop, files and histories go on, every message accounted for."""

from collections.abc import Callable

import pytest

from latentwatch.domain.errors import Unavailable
from latentwatch.domain.record import Decoded, RawMessage
from latentwatch.streams.batch_scoring import RowScorer, StreamScorer
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.ports import Messages, messages_of
from latentwatch.streams.testing import FakeDetector
from tests.streams.stage import Stage, monitor, record

LETTERS = [3, 4, 17, 63, 64, 99]


def message(number: int) -> bytes:
    """The record of a number, which may break the decoder."""
    return record(number, **({"break": True} if number in LETTERS else {}))


def overflow(messages: Messages) -> None:
    """Recurse without end, as a parser may."""
    overflow(messages)


def stumble(messages: Messages) -> None:
    """An error whose words no database can hold."""
    raise ValueError("bad \0 bytes " + "x" * 5_000)


class Fragile:
    """A JSON decoder that fails on a whole batch for each message that says `"break": true`."""

    def __init__(self, fail: Callable[[Messages], None]) -> None:
        self._decoder = JsonDecoder(monitor().record)
        self._fail = fail

    def decode(self, messages: Messages) -> Decoded:
        """The batch, or the failure."""
        if any(b'"break": true' in (value or b"") for value in messages.values):
            self._fail(messages)
            return self._decoder.decode(messages.cut(0, len(messages) - 1))  # forgets one
        return self._decoder.decode(messages)


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (overflow, "the decoder failed on it: RecursionError: maximum recursion"),
        (stumble, "the decoder failed on it: ValueError: bad \ufffd bytes xxx"),
        (lambda messages: None, "the decoder failed on it: ValueError: 0 outcomes for 1 messages"),
    ],
)
def test_the_loop_outlives_its_decoder(fail: Callable[[Messages], None], reason: str) -> None:
    """At a batch's first and last place, alone and beside others: the message is a dead letter, with the error's name."""
    stage = Stage()
    for number in range(100):
        stage.broker.produce(message(number))
    stage.run(decoder=Fragile(fail))
    assert stage.accounted() == 100
    letters = stage.store.dead_letters
    assert sorted(position.offset for position in letters) == LETTERS
    assert all(found.startswith(reason) and len(found) <= 1_000 for found in letters.values())


def test_files_outlive_their_decoder() -> None:
    """Scoring without a database has the same guard: one row a message, in their order."""
    rows = RowScorer(Fragile(stumble), StreamScorer(FakeDetector(monitor().record), monitor().alert, "memory")).score(
        messages(range(100))
    )
    assert [row["position"] for row in rows] == list(range(100))
    assert [row["position"] for row in rows if "error" in row] == LETTERS


def test_a_service_that_is_away_is_no_fault_of_a_message() -> None:
    """What is raised on purpose passes through, and nothing is decided."""

    def away(messages: Messages) -> None:
        raise Unavailable("the registry is away")

    with pytest.raises(Unavailable):
        decode_sound(Fragile(away), messages(range(100)))


def test_a_decoder_that_fails_on_nothing_is_not_hidden() -> None:
    """No messages, no message to blame."""

    class Broken:
        def decode(self, messages: Messages) -> Decoded:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decode_sound(Broken(), messages(range(0)))


def messages(numbers: range) -> Messages:
    """The messages of some numbers, as a poll brings them."""
    return messages_of("memory", (RawMessage(0, number, message(number), 0) for number in numbers))
