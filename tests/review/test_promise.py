"""Realised against promised false alarms, and the state a monitor is said to be in."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from latentwatch.alerts.reading import MonitorFacts, PromiseFacts, ScorerFacts
from latentwatch.alerts.reading.stream import MessageCounts
from latentwatch.detector.drift import BROKEN
from latentwatch.domain.alert import Severity
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.sources import SourceSettings, TopicSettings
from latentwatch.review.promise import poisson_interval, promise_of
from latentwatch.review.state import Word, state_of, worst_first
from tests.review.sketch import NOW, PUMP

DAY = PromiseFacts(NOW - timedelta(days=1), NOW, 86_400, 50, 5, 2, 0, 20, 0)
HOURLY = replace(DAY, scored=24, flagged=0, episodes=0, confirmed=0, confirmed_records=0)
PER_DAY = AlertPolicy(false_alarms_per_day=2.0)
RATE = AlertPolicy(false_alarm_rate=0.001)
ALIVE = ScorerFacts("s", "edge-1", 1, NOW, NOW, NOW, (0,), 1, 7, 10.0, "scoring", False)
ON_A_TOPIC = PUMP.model_copy(update={"source": SourceSettings(kafka=TopicSettings(topic="pump"))})
CALM = MonitorFacts(
    monitor=PUMP,
    champion=1,
    champion_bundle="b",
    promoted=NOW,
    scorers=(ALIVE,),
    last_commit=NOW,
    last_sign=NOW,
    newest=NOW,
    records=10,
    entities=2,
    warming=0,
    stopped=0,
    stopped_partitions=0,
    missing=0,
    open_by_severity={},
    day=replace(DAY, episodes=0, flagged=0, confirmed=0, confirmed_records=0),
    tenure=DAY,
    dead_letters_day=0,
    messages=MessageCounts(10, 0, 0, 0),
    spark=(),
)


@given(st.integers(0, 500))
def test_the_interval_is_garwoods(count: int):
    """At its ends, what was seen is as improbable as 2.5 %."""
    low, high = poisson_interval(count)
    assert low <= count <= high
    assert poisson.cdf(count, high) == pytest.approx(0.025, abs=1e-6)
    if count:
        assert poisson.sf(count - 1, low) == pytest.approx(0.025, abs=1e-6)


def test_a_budget_of_each_entity_and_one_that_cannot_be_promised():
    """The page holds alarms against what the model promises of all entities, and says whose they are and what was asked."""
    each = AlertPolicy(false_alarms_per_day=0.1, per="entity")
    promise = promise_of(DAY, each, {"asked": 100.0, "promised": 99.0, "entities": 1000})
    assert (promise.promised, promise.scope, promise.unreviewed) == (100.0, "0.1 of each of 1,000", False)
    floored = promise_of(DAY, PER_DAY, {"asked": 2.0, "promised": 288.0, "entities": 1000})
    assert (floored.promised, floored.scope) == (288.0, "of all 1,000; 2 asked")
    # The monitor's budget was changed after the model was judged: what it came to then says nothing of it.
    changed = promise_of(
        DAY, AlertPolicy(false_alarms_per_day=3.0), {"asked": 2.0, "promised": 288.0, "entities": 1000}
    )
    assert (changed.promised, changed.scope) == (3.0, "of all 1,000")


def test_by_default_the_smaller_limit_counts_and_both_units_are_said():
    """Of slow records .3 % is less than two alarms a day, which nobody promised then."""
    budget = {"asked": 2.0, "promised": 0.14, "entities": 1, "rate": 0.003}
    default = promise_of(DAY, AlertPolicy(), budget)
    assert (default.promised, default.other) == (0.14, "0.3 % of records")
    assert promise_of(DAY, PER_DAY, budget).promised == 2.0
    assert promise_of(DAY, RATE, budget).other == "about 0.14 alarms a day"
    assert promise_of(DAY, PER_DAY).other == ""


def test_alarms_per_day():
    """Confirmed alerts are no false alarms; the rest count, over the length of the stream."""
    promise = promise_of(DAY, PER_DAY)
    assert (promise.per_day, promise.promised, promise.realised) == (True, 2.0, 3.0)
    assert promise.interval == pytest.approx(poisson_interval(3))
    half = promise_of(replace(DAY, start=NOW - timedelta(hours=12)), PER_DAY)
    assert half.realised == 6.0


def test_alarms_as_a_share_of_records():
    """Records of confirmed alerts leave the numerator; episodes carry the uncertainty."""
    promise = promise_of(DAY, RATE)
    assert not promise.per_day
    assert promise.realised == pytest.approx(30 / 86_400)
    low, high = promise.interval
    assert low < promise.realised < high
    assert high / low == pytest.approx(poisson_interval(3)[1] / poisson_interval(3)[0])


def test_nothing_scored_promises_nothing():
    """Without records nothing is broken and nothing is known."""
    empty = promise_of(PromiseFacts(None, None, 0, 0, 0, 0, 0, 0, 0), PER_DAY)
    assert not empty.known
    assert not empty.broken
    assert not empty.unreviewed


def test_broken_takes_what_people_called_false():
    """Alerts that nobody judged may be real: they ask for a review; only refuted ones break the promise."""
    unreviewed = promise_of(replace(DAY, episodes=20, confirmed=0), PER_DAY)
    assert (unreviewed.broken, unreviewed.unreviewed) == (False, True)
    refuted = promise_of(replace(DAY, episodes=20, confirmed=0, refuted=15), PER_DAY)
    assert refuted.broken
    few = promise_of(replace(DAY, episodes=3, confirmed=0, refuted=3), PER_DAY)
    assert not few.broken


@pytest.mark.parametrize(
    ("changes", "word", "says"),
    [
        ({}, Word.SCORING, "as it should"),
        ({"champion": None}, Word.WAITING, "latentwatch train"),
        (
            {"champion": None, "scorers": (replace(ALIVE, state="learning, 40 % of 3d"),)},
            Word.WAITING,
            "learning, 40 % of 3d",
        ),
        ({"last_commit": None}, Word.WAITING, "first record"),
        ({"scorers": (), "last_commit": None}, Word.WAITING, "start 'latentwatch score'"),
        ({"scorers": (), "last_commit": NOW - timedelta(hours=1)}, Word.STALE, "1 h ago"),
        ({"scorers": (replace(ALIVE, seen=NOW - timedelta(minutes=3)),)}, Word.STALE, "3 min"),
        ({"scorers": (replace(ALIVE, stopped=True),)}, Word.WAITING, "ended"),
        ({"scorers": (replace(ALIVE, stopped=True),), "monitor": ON_A_TOPIC}, Word.STALE, "was stopped"),
        ({"last_commit": NOW - timedelta(minutes=10)}, Word.STOPPED_SENDING, "no record for 10 min"),
        ({"scorers": (), "last_sign": NOW - timedelta(days=9)}, Word.ORPHANED, "monitors remove pump"),
        ({"champion": None, "scorers": (), "last_sign": NOW - timedelta(days=9)}, Word.ORPHANED, "for 9 d"),
        ({"last_sign": NOW - timedelta(days=9)}, Word.SCORING, "as it should"),
        ({"stopped": 1, "stopped_partitions": 1}, Word.STOPPED_SENDING, "all entities of 1 partition"),
        ({"stopped": 1}, Word.STOPPED_SENDING, "1 of 2 entities"),
        ({"missing": 1}, Word.MISSED_RUN, "1 of 2 entities missed a run"),
        ({"last_commit": NOW - timedelta(hours=2), "tenure": HOURLY}, Word.SCORING, "as it should"),
        ({"last_commit": NOW - timedelta(hours=4), "tenure": HOURLY}, Word.STOPPED_SENDING, "no record for 4 h"),
        ({"day": replace(DAY, episodes=20, confirmed=0, refuted=15)}, Word.BROKEN, "called false"),
        ({"day": replace(DAY, episodes=20, confirmed=0)}, Word.SCORING, "20 unconfirmed alerts in 1 d"),
        ({"scorers": (replace(ALIVE, state="waiting for database"),)}, Word.WAITING, "waiting for database"),
        ({"scorers": (replace(ALIVE, state=BROKEN),)}, Word.BROKEN, BROKEN),
        (
            {"scorers": (replace(ALIVE, state="waiting for database"), replace(ALIVE, state=BROKEN))},
            Word.BROKEN,
            BROKEN,
        ),
        ({"warming": 2}, Word.SCORING, "warming up"),
    ],
)
def test_states_in_words(changes: dict[str, object], word: Word, says: str):
    """Each state has its word, its reason and what to do."""
    state = state_of(replace(CALM, **changes), NOW)  # type: ignore[arg-type]
    assert state.word is word
    assert says in state.sentence


def test_lag_adds_up_over_scorers():
    """Two scorers share the work; one that is gone no longer counts."""
    gone = replace(ALIVE, seen=NOW - timedelta(hours=1), lag=1000)
    state = state_of(replace(CALM, scorers=(ALIVE, replace(ALIVE, id="t"), gone)), NOW)
    assert (state.lag, state.records_per_second) == (14, 20.0)


def test_worst_comes_first():
    """Stale before loud alerts, loud alerts before waiting, waiting before calm."""

    def named(name: str, **changes: object) -> MonitorFacts:
        return replace(CALM, monitor=PUMP.model_copy(update={"name": name}), **changes)  # type: ignore[arg-type]

    facts = [
        named("calm"),
        named("waiting", champion=None),
        named("loud", open_by_severity={Severity.CRITICAL: 1}),
        named("stale", scorers=(), last_commit=NOW - timedelta(hours=1)),
    ]
    order = [state.facts.monitor.name for state in worst_first([state_of(one, NOW) for one in facts])]
    assert order == ["stale", "loud", "waiting", "calm"]
