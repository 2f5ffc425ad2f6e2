"""Runs that did not come are told on the next record's line, by the records' own times, also of one entity alone."""

import numpy as np

from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.missed_runs import MissedRuns, RunRule

HOUR = 3_600
SCHEMA = RecordSchema.model_validate({"time": "at", "entity": "job", "features": {"x": "numeric"}})


def runs(*of: tuple[str, float]) -> Batch:
    """Records by job and hour."""
    times = np.array([round(hour * HOUR * 1e6) for _, hour in of], np.int64)
    return batch_from_columns(SCHEMA, {"x": np.zeros(len(of))}, entities=[job for job, _ in of], times=times)


def test_each_entity_is_told_how_many_it_missed_whatever_the_batches():
    """An hourly job that left one or three hours out; one that came half an hour late, or out of order, missed none."""
    missed = MissedRuns(RunRule(HOUR, 1.75 * HOUR))
    assert missed.before(runs(("a", 0), ("b", 0), ("a", 1), ("a", 3), ("b", 1.5))) == [0, 0, 0, 1, 0]
    assert missed.before(runs(("a", 7), ("b", 1), ("b", 2.4), ("a", 8.1))) == [3, 0, 0, 0]


def test_without_a_cadence_nothing_is_missed():
    """Records that come as they like are never overdue."""
    assert MissedRuns(None).before(runs(("a", 0), ("a", 99))) == [0, 0]
