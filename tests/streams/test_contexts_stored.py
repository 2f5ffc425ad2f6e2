"""Contexts and entities on their way into the store: nothing is lost, mixed or left untold."""

from dataclasses import replace
from threading import Event

import pytest

from latentwatch.domain.outcome import OffsetMove, Outcome
from latentwatch.streams.failpoints import Step
from tests.streams.stage import Stage, record

ENTITIES = 2_500


def fill(stage: Stage) -> None:
    """Two records of each of many entities, spread over the partitions."""
    for number in range(2 * ENTITIES):
        rig = number % ENTITIES
        stage.broker.produce(record(number, rig=f"rig-{rig}"), rig % len(stage.broker.logs))


def told(stage: Stage) -> set[str]:
    """Entities of which the store was told."""
    return {state.entity for outcome in stage.store.outcomes for state in outcome.entities}


def test_a_stream_that_ends_leaves_no_entity_untold() -> None:
    """A file that ends before people could be told of its entities little by little: they know all of them."""
    stage = Stage(partitions=2)
    fill(stage)
    stage.run(records=1_000)
    assert len(told(stage)) == ENTITIES


def test_all_entities_are_told_within_a_minute() -> None:
    """Entities that sent in one burst become known in turn, each commit telling a part, also when nothing follows."""
    stage, stop = Stage(partitions=2), Event()
    fill(stage)

    def pass_time(step: Step) -> None:
        if step == "polled":
            stage.clock.advance(0.5)
            if stage.clock.monotonic() >= 60 or len(told(stage)) == ENTITIES:
                stop.set()

    # None of them is told by the snapshot at the end.
    stage.scorer(source=stage.broker.join(finite=False), records=1_000, reach=pass_time).run(stop)
    assert stage.clock.monotonic() < 60
    assert max(len(outcome.entities) for outcome in stage.store.outcomes[:-1]) < 1_500
    assert len({state.entity for outcome in stage.store.outcomes[:-1] for state in outcome.entities}) == ENTITIES


@pytest.mark.parametrize("late_seconds", [0, 30])
def test_a_context_that_another_process_wrote_is_not_mixed_with_ours(late_seconds: int) -> None:
    """A process that slept while another one took its partition, wrote the context without moving it and died writes
    nothing, and goes on from what is stored."""
    stage, whole = Stage(late_seconds=late_seconds), Stage(late_seconds=late_seconds)
    for each in (stage, whole):
        each.produce(range(200))
    whole.run()

    def overtaken(step: Step) -> None:
        stage.clock.advance(0.5)
        if step == "before commit" and len(stage.store.outcomes) == 1:
            stored = stage.store.latest["memory", 0]
            position = stage.store.offsets["memory", 0]
            stage.store.commit(Outcome("pump", "memory", (OffsetMove(0, position, position),)))
            stage.store.latest["memory", 0] = replace(stored, stamp="another")

    scorer = stage.scorer(reach=overtaken)
    scorer.run(stage.stop)
    lost = scorer.metrics.registry.get_sample_value("latentwatch_partitions_lost_total", {"monitor": "pump"})
    assert lost == 1
    assert stage.accounted() == stage.produced()
    assert stage.store.surprises == whole.store.surprises
    assert stage.contexts() == whole.contexts()
