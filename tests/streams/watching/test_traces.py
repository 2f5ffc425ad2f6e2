"""The live page's points: bounded by the second, even over every entity, flagged records first."""

import numpy as np
import pytest

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Scores
from latentwatch.streams.watching.traces import POINTS_PER_SECOND, TraceSampler
from tests.streams.stage import Stage

SCHEMA = RecordSchema.model_validate({"time": "t", "entity": "e", "features": {"x": "numeric"}})
NONE = np.zeros(0, np.intp)


def stream(records: int, entities: int) -> Batch:
    """Records of several entities in turn, a second apart in each."""
    rows = np.arange(records)
    return batch_from_columns(
        SCHEMA,
        {"x": rows},
        entities=[f"rig-{row % entities}" for row in rows],
        times=(rows // entities).astype(np.int64) * 1_000_000,
    )


def scores(batch: Batch) -> Scores:
    """Of no account here."""
    zeros = np.zeros(len(batch), np.float32)
    return Scores(zeros, zeros, zeros, {}, zeros.astype(bool), zeros.astype(bool))


@pytest.mark.parametrize("entities", [1, 4, 5])
def test_a_stream_faster_than_the_budget_is_thinned_evenly(entities: int):
    """Every entity keeps its share, and no stretch of its time is left out."""
    batch = stream(600, entities)
    points = TraceSampler(ManualClock(), points_per_second=150).sample(batch, scores(batch), NONE)
    assert 140 <= len(points) <= 150
    for entity in range(entities):
        times = np.array([point.time.timestamp() for point in points if point.entity == f"rig-{entity}"])
        assert len(times) >= 150 // entities - 2
        assert np.diff(times).max() <= 2 * 600 / 150


def test_flagged_records_come_first():
    """Where there is not room for all, flagged records are shown and the others thinned."""
    batch = stream(600, 2)
    flagged = np.arange(100, 120, dtype=np.intp)
    points = TraceSampler(ManualClock(), points_per_second=50).sample(batch, scores(batch), flagged)
    assert len(points) <= 50
    assert sum(point.flagged for point in points) == 20


def test_a_long_alert_leaves_room_for_what_surrounds_it():
    """An alert that could fill the budget does not; what came before and after is shown as well."""
    batch = stream(600, 2)
    flagged = np.arange(200, 400, dtype=np.intp)
    points = TraceSampler(ManualClock(), points_per_second=50).sample(batch, scores(batch), flagged)
    assert 25 <= sum(point.flagged for point in points) <= 35
    assert sum(point.offset < 200 for point in points) >= 8
    assert sum(point.offset >= 400 for point in points) >= 8


def test_one_point_an_entity_and_second():
    """Many records a second of one entity give its latest."""
    batch = stream(40, 1)
    batch = batch_from_columns(
        SCHEMA, {"x": np.arange(40)}, entities=["a"] * 40, times=batch.times // 20_000_000 * 1_000_000
    )
    points = TraceSampler(ManualClock()).sample(batch, scores(batch), NONE)
    assert [point.offset for point in points] == [int(batch.offsets[19]), int(batch.offsets[39])]


def test_a_file_that_is_read_at_once_is_traced_closely():
    """What led up to an alert is there also where hours pass in a moment; a live stream keeps to its budget."""
    traced = []
    for live in (False, True):
        stage = Stage()
        stage.produce(range(600))
        source = stage.broker.join()
        source.live = live
        stage.run(source=source)
        traced.append(sum(len(outcome.trace) for outcome in stage.store.outcomes))
    assert traced == [600, POINTS_PER_SECOND]
