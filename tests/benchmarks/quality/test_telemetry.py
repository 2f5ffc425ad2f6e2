"""Telemetry: repeatable, a channel that answers to commands which episodes leave alone."""

import numpy as np
import pytest

from benchmarks.quality import telemetry
from benchmarks.quality.telemetry import COMMANDS, TEST_RECORDS, TRAIN_RECORDS, generate
from benchmarks.quality.vus import segments


@pytest.mark.parametrize("name", telemetry.names())
def test_a_channel_has_episodes_and_is_repeatable(name: str):
    """At least four of seven kinds are seen on it; an answer that nobody can see is none."""
    stream = generate(name, 1)
    assert stream.train.shape == (TRAIN_RECORDS, 2 + COMMANDS)
    assert len(stream.test) == len(stream.truth) == TEST_RECORDS
    assert 4 <= len(segments(stream.truth)) <= len(telemetry.EPISODES)
    assert np.array_equal(stream.test, generate(name, 1).test)
    assert not np.array_equal(stream.test, generate(name, 2).test)


def test_the_channel_answers_to_its_commands():
    """A heater warms up after its first command and cools down after its second, long before and long after episodes."""
    train = generate("heater", 0).train
    on, off = (np.flatnonzero(train[:, 2 + command]) for command in (0, 1))
    warmed = [
        train[start + 1 : stop, 1] for start, stop in zip(on, off[off > on[0]], strict=False) if stop - start > 20
    ]
    assert warmed
    assert all(one[-1] > one[0] for one in warmed)


def test_commands_are_rare():
    """As on a spacecraft: nearly always 0, and some follow others by two records."""
    commands = generate("modes", 0).train[:, 2:]
    assert set(np.unique(commands)) == {0.0, 1.0}
    assert commands.mean() < 0.03
    assert np.array_equal(commands[2:, 8], commands[:-2, 7])
