"""What a monitor is doing, in one word and one sentence, from its facts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from latentwatch.alerts.monitor_upkeep import is_orphaned
from latentwatch.alerts.reading import MonitorFacts, ScorerFacts, overview
from latentwatch.detector.drift import BROKEN
from latentwatch.domain.alert import Severity
from latentwatch.domain.learning import LEARNING
from latentwatch.review import words
from latentwatch.review.promise import Promise, promise_of
from latentwatch.review.room import Room

FRESH = timedelta(seconds=30)
"""A scorer that has not been heard of for longer is taken for dead."""
QUIET = timedelta(minutes=2)
"""A stream without a new record for longer has stopped sending, unless its records come less often."""
_TIMES_USUAL = 3.0
"""Mean steps between its records, after which it has."""


class Word(StrEnum):
    """What a monitor is doing, worst first."""

    STALE = "stale"
    BROKEN = "promise broken"
    STOPPED_SENDING = "stopped sending"
    MISSED_RUN = "missed a run"
    WAITING = "waiting"
    ORPHANED = "orphaned"
    SCORING = "scoring"


_MARKS = {
    Word.STALE: "critical",
    Word.BROKEN: "high",
    Word.STOPPED_SENDING: "medium",
    Word.MISSED_RUN: "medium",
    Word.WAITING: "idle",
    Word.ORPHANED: "idle",
    Word.SCORING: "good",
}


@dataclass(frozen=True, slots=True)
class MonitorState:
    """A monitor's line on the overview."""

    facts: MonitorFacts
    word: Word
    sentence: str
    """What it means and what to do."""
    records_per_second: float | None
    lag: int | None
    """Records waiting; None where no scorer knows."""
    day: Promise
    tenure: Promise

    @property
    def mark(self) -> str:
        """The shape and colour that go with the word."""
        return _MARKS[self.word]


def state_of(facts: MonitorFacts, now: datetime) -> MonitorState:
    """One monitor's state."""
    day = promise_of(facts.day, facts.monitor.alert, facts.budget)
    alive = [scorer for scorer in facts.scorers if not scorer.stopped and now - scorer.seen <= FRESH]
    word, sentence = _word(facts, alive, day, now)
    lags = [scorer.lag for scorer in alive if scorer.lag is not None]
    return MonitorState(
        facts=facts,
        word=word,
        sentence=sentence,
        records_per_second=sum(scorer.records_per_second for scorer in alive) if alive else None,
        lag=sum(lags) if lags else None,
        day=day,
        tenure=promise_of(facts.tenure, facts.monitor.alert, facts.budget),
    )


def worst_first(states: list[MonitorState]) -> list[MonitorState]:
    """Monitors in the order in which somebody should look at them."""
    order = list(Word)

    def rank(state: MonitorState) -> tuple[int, int, int, str]:
        loud = state.facts.open_by_severity
        return (
            order.index(state.word) if state.word in (Word.STALE, Word.BROKEN) else len(order),
            -loud.get(Severity.CRITICAL, 0) * 1000 - loud.get(Severity.HIGH, 0),
            order.index(state.word),
            state.facts.monitor.name,
        )

    return sorted(states, key=rank)


def _word(facts: MonitorFacts, alive: list[ScorerFacts], day: Promise, now: datetime) -> tuple[Word, str]:
    name = facts.monitor.name
    if not alive and is_orphaned(facts.last_sign, now):
        gone = words.duration((now - facts.last_sign).total_seconds())
        return Word.ORPHANED, (
            f"no sign of life for {gone}: start 'latentwatch score' again, or 'latentwatch monitors remove {name}'"
        )
    if facts.champion is None:
        learning = next((scorer.state for scorer in alive if scorer.state.startswith(LEARNING)), None)
        if learning is not None:
            return Word.WAITING, f"{learning}; records wait in the topic, and are scored once a model serves"
        return Word.WAITING, f"no model yet: run 'latentwatch train' or 'latentwatch retrain' for {name}"
    if not alive:
        return _without_scorer(facts, now)
    if day.broken:
        return Word.BROKEN, (
            f"{day.false_episodes} alerts of the last day were called false, more than promised: "
            "retrain, or look at the model's page"
        )
    if any(scorer.state == BROKEN for scorer in alive):
        return Word.BROKEN, f"{BROKEN} with 'latentwatch retrain'"
    odd = next((scorer for scorer in alive if scorer.state != "scoring"), None)
    if facts.last_commit is None:
        return Word.WAITING, "a scorer runs and waits for its first record"
    if odd is not None and odd.state:
        return Word.WAITING, f"{odd.host}: {odd.state}"
    if facts.missing:
        return Word.MISSED_RUN, f"{facts.missing} of {facts.entities} entities missed a run"
    if now - facts.last_commit > max(QUIET, _TIMES_USUAL * _usual_step(facts)):
        return (
            Word.STOPPED_SENDING,
            f"no record for {words.duration((now - facts.last_commit).total_seconds())}: is the source up?",
        )
    if facts.stopped_partitions:
        partitions = "1 partition" if facts.stopped_partitions == 1 else f"{facts.stopped_partitions} partitions"
        return Word.STOPPED_SENDING, f"all entities of {partitions} stopped sending together"
    if facts.stopped:
        return Word.STOPPED_SENDING, f"{facts.stopped} of {facts.entities} entities stopped sending"
    if day.unreviewed:
        return (
            Word.SCORING,
            f"{day.episodes - day.confirmed} unconfirmed alerts in {words.duration(day.days * 86_400)}, more than promised: review them",
        )
    if facts.warming and facts.warming == facts.entities:
        return Word.SCORING, "every entity is still warming up"
    return Word.SCORING, "as it should"


def _usual_step(facts: MonitorFacts) -> timedelta:
    """Between records of the whole stream, in the mean of what this model scored."""
    seen = facts.tenure
    if seen.start is None or seen.end is None or not seen.scored:
        return timedelta(0)
    return (seen.end - seen.start) / seen.scored


def _without_scorer(facts: MonitorFacts, now: datetime) -> tuple[Word, str]:
    if facts.scorers and facts.scorers[0].stopped:
        when = words.ago(facts.scorers[0].seen, now)
        if facts.monitor.source.file is not None:  # ends with its file
            return (
                Word.WAITING,
                f"its scorer ended {when}: 'latentwatch score' goes on from there, once the file has more",
            )
        return Word.STALE, f"its scorer was stopped {when}: start 'latentwatch score'"
    if facts.scorers:
        gone = words.duration((now - facts.scorers[0].seen).total_seconds())
        return Word.STALE, f"its scorer on {facts.scorers[0].host} has not been heard of for {gone}: start it again"
    if facts.last_commit is None:
        return Word.WAITING, "a model is ready and no scorer has run yet: start 'latentwatch score'"
    if now - facts.last_commit <= FRESH:
        return Word.SCORING, "as it should"
    return Word.STALE, f"nothing scored since {words.ago(facts.last_commit, now)}: start 'latentwatch score'"


def monitor_states(room: Room) -> list[MonitorState]:
    """Every monitor's state, worst first."""
    now = room.now()
    return worst_first([state_of(facts, now) for facts in overview(room.engine, now)])
