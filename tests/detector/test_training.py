"""Training cuts history in each entity's own time, so that nothing is judged on what it was fitted on."""

from itertools import pairwise

import numpy as np
import pytest

from detector.training import split
from domain.errors import InvalidHistory
from domain.record import Batch, batch_from_columns
from domain.schema import RecordSchema

SCHEMA = RecordSchema.model_validate({"time": "t", "entity": "e", "features": {"x": "numeric"}})


def history(entities: list[str], times: np.ndarray) -> Batch:
    """One feature; its value is the row's number."""
    return batch_from_columns(
        SCHEMA, {"x": np.arange(len(times))}, entities=entities, times=times.astype(np.int64) * 1_000_000
    )


@pytest.mark.parametrize("window", [1, 40])
def test_every_entity_is_in_every_part_even_when_they_come_one_after_another(window: int):
    """Ten runs, each after the last: all of them are fitted on and all of them are held out."""
    parts = split(history([f"run{n // 600}" for n in range(6000)], np.arange(6000)), window)
    assert len(set(parts.fit.batch.entities)) == len(set(parts.holdout.batch.entities)) == 10


@pytest.mark.parametrize("window", [1, 40])
def test_parts_follow_each_other_in_each_entitys_time_with_a_gap(window: int):
    """Of one entity, what calibrates comes after what is fitted, and what is held out after both."""
    random = np.random.default_rng(0)
    parts = split(history(["a", "b"] * 3000, random.permutation(6000)), window)
    for entity in ("a", "b"):
        spans = [
            part.batch.times[part.batch.entities == entity]
            for part in (parts.fit, parts.calibration, parts.holdout)
            if len(part.batch)
        ]
        assert all(earlier.max() < later.min() for earlier, later in pairwise(spans))
    used = len(parts.fit.batch) + len(parts.calibration.batch) + len(parts.holdout.batch)
    assert 5700 < used < 6000


def test_too_short_a_history_is_refused_with_its_size():
    """A handful of records cannot be cut."""
    with pytest.raises(InvalidHistory, match="holds 5 usable records"):
        split(history(["a"] * 5, np.arange(5)), 1)
