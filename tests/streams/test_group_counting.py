"""Records are counted by entity, hour and field, and never under too many names."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from latentwatch.domain.groups import OTHERS, GroupedBy
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.group_counting import MOST_NAMES, GroupCounter

SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "rig", "features": {"flow": "numeric", "shift": "numeric", "mode": "category"}}
)
START = int(datetime(2026, 3, 1, 22, tzinfo=UTC).timestamp()) * 1_000_000


def batch(records: int, entities: int = 2) -> Batch:
    """A record a minute, from two hours before midnight on."""
    columns: dict[str, Any] = {
        "flow": np.ones(records),
        "shift": np.arange(records) % 3,
        "mode": [None if number % 10 == 0 else "auto" for number in range(records)],
    }
    names = np.array([f"rig-{number % entities}" for number in range(records)], object)
    times = START + np.arange(records, dtype=np.int64) * 60_000_000
    return batch_from_columns(SCHEMA, columns, entities=names, times=times)


def test_each_grouping_counts_every_record_once() -> None:
    """By day; a missing value is a group, and named segments take the place of categories."""
    found = GroupCounter(3, ("shift",), "Europe/Berlin").count(batch(240))
    totals: dict[tuple[str, str], int] = {}
    for each in found:
        totals[each.group.by, each.group.field] = totals.get((each.group.by, each.group.field), 0) + each.scored
        assert each.model_version == 3
    assert totals == {("entity", ""): 240, ("hour", ""): 240, ("field", "shift"): 240}
    assert {each.day.day for each in found} == {1, 2}
    assert {each.group.value for each in found if each.group.by is GroupedBy.HOUR} == {"23", "00", "01", "02"}
    assert {each.group.value for each in found if each.group.field} == {"0", "1", "2"}
    by_mode = {each.group.value: each.scored for each in GroupCounter().count(batch(100)) if each.group.field == "mode"}
    assert by_mode == {"auto": 90, "missing": 10}
    assert GroupCounter().count(batch(0)) == ()


def test_names_beyond_the_first_few_hundred_are_counted_together() -> None:
    """Also where they come in many small batches."""
    counter = GroupCounter()
    whole = batch(2 * MOST_NAMES, entities=2 * MOST_NAMES)
    counted: dict[str, int] = {}
    for start in range(0, len(whole), 50):
        for each in counter.count(whole.take(slice(start, start + 50))):
            if each.group.by is GroupedBy.ENTITY:
                counted[each.group.value] = counted.get(each.group.value, 0) + each.scored
    assert len(counted) == MOST_NAMES + 1
    assert counted[OTHERS] == MOST_NAMES
