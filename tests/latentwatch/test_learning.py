"""Before a first model: how far the learning is, who is told, and what waits."""

from datetime import timedelta

import pytest

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, StillLearning, Unavailable
from latentwatch.domain.learning import Learning
from latentwatch.domain.monitor import parse_monitor
from latentwatch.learning import LearningNotice, learning_of, require_enough, wait_until_enough
from latentwatch.settings import Settings

AFTER = timedelta(days=3)
MONITOR = parse_monitor(
    "name: pump\nsource: {kafka: {topic: pump}}\nrecord: {features: {p: numeric}}\ntrain: {after: 3d}\n"
)


def test_learning_is_told_by_the_time_since_the_first_record():
    """Nothing has arrived, two fifths, all of it; a clock that is behind the broker's makes no negative time."""
    clock = ManualClock()
    now = clock.now()
    assert "no record has arrived" in Learning.of(None, now, AFTER).in_words()
    assert Learning.of(now - 0.4 * AFTER, now, AFTER).in_words() == "learning, 40 % of 3d"
    assert not Learning.of(now - 0.999 * AFTER, now, AFTER).is_enough
    assert Learning.of(now - AFTER, now, AFTER).is_enough
    assert Learning.of(now + timedelta(seconds=5), now, AFTER).seen == timedelta(0)


def test_only_what_would_be_learned_from_counts(monkeypatch):
    """The topic is asked for its first record within the history of a retraining; without `after` it is not asked."""
    clock, asked = ManualClock(), []

    def first_arrival(topic, access, since):
        asked.append((topic, clock.now() - since))
        return clock.now() - timedelta(days=1.5)

    monkeypatch.setattr("latentwatch.streams.kafka.topic_offsets.first_arrival", first_arrival)
    learning = learning_of(MONITOR, Settings(), clock)
    assert learning is not None
    assert learning.in_words() == "learning, 50 % of 3d"
    assert asked == [("pump", timedelta(days=14))]
    plain = parse_monitor("name: pump\nsource: {kafka: {topic: pump}}\nrecord: {features: {p: numeric}}\n")
    assert learning_of(plain, Settings(), clock) is None
    assert len(asked) == 1


def test_nothing_is_trained_before_its_time():
    """The error says how far it is and what to do; where nothing is waited for, or enough has come, there is none."""
    with pytest.raises(StillLearning, match=r"learning, 50 % of 3d; nothing was trained.*--wait") as raised:
        require_enough(MONITOR, lambda: Learning(AFTER / 2, AFTER))
    assert raised.value.exit_code == 5
    require_enough(MONITOR, lambda: Learning(AFTER, AFTER))
    require_enough(MONITOR, lambda: None)


def test_who_waits_goes_on_when_the_time_has_come():
    """Each new word is told once, a broker that is away is asked again, and what no waiting heals ends it."""
    clock, told = ManualClock(), []
    begun = clock.now()
    away = iter([True, True])

    def look():
        if next(away, False):
            raise Unavailable("no broker")
        return Learning.of(begun, clock.now(), timedelta(minutes=2))

    wait_until_enough(look, clock, told.append)
    assert told[0] == "no broker"
    assert told[1:] == [f"learning, {share} % of 2m" for share in (25, 37, 50, 62, 75, 87)]
    assert clock.now() - begun == timedelta(minutes=2)

    def refused():
        raise InvalidInput("no such user")

    with pytest.raises(InvalidInput):
        wait_until_enough(refused, clock, told.append)


def test_a_waiting_scorer_asks_now_and_then():
    """Not with each beat; while the broker is away it says what it said before."""
    clock, looks = ManualClock(), []

    def look():
        looks.append(clock.now())
        if len(looks) == 2:
            raise Unavailable("no broker")
        return Learning(len(looks) * AFTER / 10, AFTER)

    notice = LearningNotice(look, clock)
    assert [notice() for _ in range(20)] == ["learning, 10 % of 3d"] * 20
    clock.advance(15)
    assert notice() == "learning, 10 % of 3d"
    clock.advance(15)
    assert notice() == "learning, 30 % of 3d"
    assert len(looks) == 3
    assert LearningNotice(lambda: None, clock)() == ""
