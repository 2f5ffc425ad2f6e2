"""Exceptions are taken up between two batches, act on what is flagged, and are counted."""

from datetime import timedelta

import pytest

from latentwatch.detector.corrected_readings import CorrectedDetector
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.exceptions import Exceptions, Form, InForce, NormalLevel, NormalPlace, Side
from latentwatch.domain.policies import AlertPolicy
from latentwatch.streams.batch_scoring import RowScorer, StreamScorer, score_records
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.failpoints import Step
from tests.streams.stage import START, Stage

PLACE = NormalPlace(sides=(Side(feature="b", low=8.0, high=10.0),))
STRANGE = [number for number in range(500) if number % 50 == 33]


def made(*forms: Form) -> Exceptions:
    """Numbered from 1."""
    return Exceptions(tuple(InForce(number, form) for number, form in enumerate(forms, 1)))


def muted(stage: Stage) -> int:
    """Records counted under exceptions."""
    return sum(count.records for outcome in stage.store.outcomes for count in outcome.excepted)


def test_what_is_excepted_is_scored_counted_and_not_flagged() -> None:
    """All that was strange lies in the place: nothing alarms, every record is scored, and each is counted with its time."""
    stage = Stage(partitions=2)
    stage.registry.excepted = made(PLACE)
    stage.produce(range(500))
    stage.run()
    assert stage.store.scored == 500
    assert not stage.store.decisions
    counts = [count for outcome in stage.store.outcomes for count in outcome.excepted]
    assert {count.exception for count in counts} == {1}
    assert muted(stage) == len(STRANGE)
    assert max(count.last for count in counts) == from_microseconds((START + STRANGE[-1]) * 1_000_000)


def test_one_is_taken_up_and_taken_back_while_the_scorer_runs() -> None:
    """Within a second or so of the clock, without a new model, and without an entity's past being lost."""
    stage = Stage()
    stage.produce(range(100))

    def change(step: Step) -> None:
        """After the first records were committed an exception is made, after the second hundred it is taken back."""
        if step == "committed" and stage.store.scored >= 300:
            stage.registry.excepted = Exceptions()
        elif step == "committed" and stage.store.scored >= 100:
            stage.registry.excepted = made(PLACE)
        stage.clock.advance(2.0)

    stage.produce(range(100, 500))
    scorer = stage.run(reach=change, records=20)
    flagged = sorted(position.offset for position in stage.store.decisions)
    assert [number for number in STRANGE if number not in flagged] == [133, 183, 233, 283]
    assert muted(stage) == 4
    assert scorer.totals.swaps == 0
    plain = Stage()
    plain.produce(range(500))
    plain.run()
    assert stage.contexts() == plain.contexts()


def test_a_level_acts_before_the_past_and_its_entities_begin_anew() -> None:
    """Of a rig whose level is excepted nothing remembered before counts; other rigs' pasts go on, and values stay as they came."""
    since = from_microseconds(START * 1_000_000)
    level = NormalLevel(feature="b", shift=0.5, since=since, entity="rig-3")
    stage = Stage()
    stage.produce(range(100))

    def change(step: Step) -> None:
        """After the first records the level is excepted."""
        if step == "committed" and stage.store.scored >= 100:
            stage.registry.excepted = made(level)
        stage.clock.advance(2.0)

    stage.produce(range(100, 500))
    scorer = stage.run(reach=change, records=20)
    assert scorer.serving is not None
    assert isinstance(scorer.serving.detector, CorrectedDetector)
    mine = [found for found in stage.store.decisions.values() if found.entity == "rig-3"]
    assert any(found.grounds.read_as for found in mine)
    assert all(found.values["b"] == 9.0 for found in mine)
    assert all(found.grounds.read_as["b"] == 8.5 for found in mine if found.grounds.read_as)
    others = [found.seen for found in stage.store.decisions.values() if found.entity == "rig-0"]
    assert max(others) > 50
    assert max(found.seen for found in mine if found.grounds.read_as) < max(others)


@pytest.mark.parametrize("late", [0, 30])
def test_a_file_names_the_exception(late: int) -> None:
    """`score --input` writes which exception let a record pass, and does not flag it."""
    stage = Stage(late_seconds=late)
    stage.produce(range(500))
    scorer = StreamScorer(
        stage.bundles.load("first"), AlertPolicy(), "memory", timedelta(seconds=late), exceptions=made(PLACE)
    )
    rows = RowScorer(JsonDecoder(stage.monitor.record), scorer, tell=True)
    source = stage.broker.join()
    source.live = False
    found = [row for batch in score_records(source, rows) for row in batch]
    assert [row["position"] for row in found if row.get("excepted") == 1] == STRANGE
    assert not any(row["flagged"] for row in found)
