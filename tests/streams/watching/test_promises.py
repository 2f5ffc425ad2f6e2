"""The promise watch in the running scorer: a drifting stream changes the state, a restart keeps it, a new model begins anew."""

from collections.abc import Iterator
from threading import Event

import numpy as np
import pytest

from latentwatch.detector.drift import BROKEN, PromiseState
from latentwatch.detector.interface import Contexts
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.scores import Scores
from latentwatch.domain.steps import AfterStep
from latentwatch.streams.context.context_blob import unpack_head
from latentwatch.streams.outcomes import ScoredBatch
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.testing import FakeDetector
from latentwatch.streams.watching.promises import promise_broken, read_promises, state_in_words
from tests.streams.stage import Stage, record


class _Calibrated(FakeDetector):
    """Reads a record's p-value from its number `a`."""

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        surprise = -np.log10(batch.numbers[:, 0])
        return Scores(surprise, surprise, surprise, {}, np.zeros(len(batch), bool), np.zeros(len(batch), bool))


def stage_of(chances: np.ndarray) -> Stage:
    """A stage whose stream has these p-values, spread over two partitions."""
    stage = Stage(partitions=2)
    alert = stage.monitor.alert.model_copy(update={"after_step": AfterStep.KEEP})
    stage.monitor = stage.monitor.model_copy(update={"alert": alert})
    stage.bundles.detectors["first"] = _Calibrated(stage.monitor.record, "first")
    add(stage, chances)
    return stage


def add(stage: Stage, chances: np.ndarray) -> None:
    """Let the stream go on with these p-values."""
    for number, chance in enumerate(chances.tolist()):
        stage.broker.produce(record(number, a=chance), number % 2)


def calm(count: int) -> np.ndarray:
    """p-values of normal records."""
    return np.random.default_rng(4).uniform(1e-6, 1.0, count)


def told(scorer: Scorer) -> tuple[str, float | None]:
    """What the scorer says to people and to Prometheus."""
    return scorer.state, scorer.metrics.registry.get_sample_value("latentwatch_promise_broken", {"monitor": "pump"})


def run(stage: Stage) -> Scorer:
    """Score all that is there, and tell about it in every turn."""
    return stage.run(reach=lambda step: stage.clock.advance(0.4), snapshot_seconds=1.0)


def test_a_stationary_stream_says_scoring() -> None:
    """Thousands of normal records leave the state alone, though some are flagged."""
    scorer = run(stage_of(calm(6000)))
    assert scorer.totals.flagged > 0
    assert told(scorer) == ("scoring", 0.0)


def test_a_drifting_stream_says_recalibrate() -> None:
    """When all scores have become ten times less likely, the scorer says so in words and as a metric."""
    scorer = run(stage_of(np.concatenate([calm(2000), calm(2000) / 10])))
    assert told(scorer) == (BROKEN, 1.0)


def test_one_drifting_partition_is_enough() -> None:
    """The entities of one partition may drift while all the others are well."""
    chances = calm(3000)
    chances[::2] /= 10
    assert told(run(stage_of(chances)))[0] == BROKEN


def test_a_restart_does_not_forget() -> None:
    """Evidence of before a restart counts after it: two halves, each too short, together break the promise."""
    drifting = calm(600) / 10
    stage = stage_of(drifting)
    assert told(run(stage))[0] == "scoring"
    kept = {partition: unpack_head(shot.head).promise for (_, partition), shot in stage.store.latest.items()}
    assert {partition: state.records for partition, state in kept.items()} == {0: 300, 1: 300}
    add(stage, drifting)
    assert told(run(stage))[0] == BROKEN


@pytest.mark.parametrize("while_running", [True, False])
def test_a_new_model_begins_anew(while_running: bool) -> None:
    """What was said of the former model's promise is not held against the new one."""
    stage = stage_of(calm(2000) / 10)
    stage.bundles.detectors["second"] = _Calibrated(stage.monitor.record, "second")
    if while_running:
        source, seen = stage.broker.join(finite=False), list[str]()
        stop, promotions = Event(), iter(["second"])

        def watch_and_promote(step: str) -> None:
            stage.clock.advance(0.4)
            if step == "acknowledged":
                seen.append(scorer.state)
                promote_once(stage, promotions, when=scorer.state == BROKEN)
            if step == "swapped":
                stop.set()

        scorer = stage.scorer(source=source, reach=watch_and_promote)
        scorer.run(stop)
        assert BROKEN in seen
    else:
        assert told(run(stage))[0] == BROKEN
        stage.registry.promote("second")
        scorer = run(stage)
    assert scorer.state == "scoring"


def promote_once(stage: Stage, bundles: Iterator[str], when: bool) -> None:
    """Promote the next of these bundles, if it is time and one is left."""
    if when and (bundle := next(bundles, None)) is not None:
        stage.registry.promote(bundle)


def test_warming_entities_say_nothing() -> None:
    """Scores of entities that are warming up are not held against the promise."""
    stage = Stage()
    count = 2000
    batch = batch_from_columns(stage.monitor.record, {"a": np.zeros(count), "b": np.zeros(count)})
    high, none = np.full(count, 5.0, np.float32), np.zeros(0, bool)
    promises: dict[int, PromiseState] = {}
    read_promises(promises, ScoredBatch(batch, Scores(high, high, high, {}, none, np.ones(count, bool))))
    assert state_in_words(promises) == "scoring"
    read_promises(promises, ScoredBatch(batch, Scores(high, high, high, {}, none, none)))
    assert promise_broken(promises)
