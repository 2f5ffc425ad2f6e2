"""The short form of `make fuzz`: every change of a decoder meets some thousand messages that nobody meant to send."""

import pytest

from tests.streams.decoding.fuzzing.rounds import Tally, play


@pytest.mark.parametrize("seed", range(8))
def test_nothing_escapes_the_decoders(seed: int) -> None:
    """Of every mutated message comes a record or a dead letter, its neighbours are unharmed, and scored + dead = sent."""
    tally = Tally()
    play(seed, tally)
    assert tally.scored + tally.dead == tally.sent > 500
    assert tally.scored > 100
    assert len(tally.reasons) > 20, tally.reasons_in_words()
