"""A service that decoding needs goes away and comes back: every record is scored once, in order, none is given up."""

import pytest

from latentwatch.domain.errors import Unavailable
from latentwatch.domain.record import Decoded
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.ports import Messages
from tests.streams.stage import Stage, monitor


class Hesitant:
    """A JSON decoder whose schema registry is away whenever it is asked to; nothing is decoded without it."""

    def __init__(self, away: list[bool]) -> None:
        self._decoder = JsonDecoder(monitor().record)
        self.away = away
        self.rests = 0

    def decode(self, messages: Messages) -> Decoded:
        """The batch, or Unavailable."""
        if len(messages) and self.away and self.away.pop(0):
            self.rests += 1
            raise Unavailable("the registry is away")
        return self._decoder.decode(messages)


@pytest.mark.parametrize("late", [False, True])
def test_a_registry_that_is_away_loses_and_doubles_nothing(late: bool) -> None:
    """The outcome equals an undisturbed run's, record for record, without a dead letter."""
    whole, disturbed = Stage(partitions=2), Stage(partitions=2)
    for stage in (whole, disturbed):
        stage.produce(range(400))
    whole.run()
    decoder = Hesitant([True] * 3 + [False] * 2 + [True] * 2 + [False, True])
    disturbed.run(decoder=decoder, late=late)
    assert decoder.rests == 6
    assert disturbed.store.dead_letters == {}
    assert disturbed.accounted() == disturbed.produced() == 400
    assert disturbed.store.surprises == whole.store.surprises


def test_a_partition_given_away_meanwhile_is_not_scored() -> None:
    """Whoever takes the partition over while we rest goes on where the database stands."""
    stage = Stage()
    stage.produce(range(100))

    class Taken(Hesitant):
        def decode(self, messages: Messages) -> Decoded:
            if len(messages) and not self.rests:
                stage.scorer().run(stage.stop)
            return super().decode(messages)

    decoder = Taken([True])
    stage.run(decoder=decoder)
    assert stage.accounted() == 100


def test_a_process_may_end_while_the_registry_is_away() -> None:
    """Stopping is heard; nothing was written, and the next process scores everything."""
    stage = Stage()
    stage.produce(range(50))

    class Ending(Hesitant):
        def decode(self, messages: Messages) -> Decoded:
            if self.rests == 2:
                stage.stop.set()
            return super().decode(messages)

    stage.run(decoder=Ending([True] * 99))
    assert stage.accounted() == 0
    stage.stop.clear()
    stage.run()
    assert stage.accounted() == 50
