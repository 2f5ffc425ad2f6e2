"""The plant is realistic, seeded, and says truly what it broke."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from latentwatch.detector.faults import FaultKind
from latentwatch.plant import PLANT_FAULTS, Plant, plant_schema, shift_times

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_same_seed_gives_the_same_records():
    """Everything follows from the seed, the rigs included."""
    first, _ = Plant(seed=3, rigs=2).stream(START, 500)
    second, _ = Plant(seed=3, rigs=2).stream(START, 500)
    other, _ = Plant(seed=4, rigs=2).stream(START, 500)
    np.testing.assert_array_equal(first.numbers, second.numbers)
    assert not np.array_equal(np.nan_to_num(first.numbers), np.nan_to_num(other.numbers))


def test_rows_are_in_time_order_and_interleaved_over_the_rigs():
    """Times strictly increase and every rig sends once per period."""
    batch = Plant(rigs=3, period_seconds=10).history(START, 50)
    assert (np.diff(batch.times) > 0).all()
    assert batch.entities[:4].tolist() == ["rig-1", "rig-2", "rig-3", "rig-1"]
    assert batch.schema == plant_schema()
    assert batch.times[3] - batch.times[0] == 10_000_000


def test_sensors_are_coupled_by_physics_and_rigs_differ():
    """Flow and current move together, temperature lags behind, a few values are missing, offsets separate the rigs."""
    batch = Plant(rigs=3).history(START, 6000)
    names = batch.schema.numbers
    rig = batch.numbers[batch.entities == "rig-1"]
    complete = rig[~np.isnan(rig).any(1)]
    correlation = np.corrcoef(complete[:, names.index("flow")], complete[:, names.index("current")])[0, 1]
    assert correlation > 0.9
    assert 0.0005 < np.isnan(batch.numbers).mean() < 0.01
    means = [np.nanmean(batch.numbers[batch.entities == f"rig-{k}"], axis=0) for k in (1, 2, 3)]
    assert np.std(means, axis=0).max() > 1.0
    assert set(batch.categories[:, 0]) == {"eco", "normal", "boost"}
    assert np.all(batch.numbers[:, names.index("relief_valve")] == 0)


def test_faults_name_their_time_entity_and_guilty_sensors():
    """The rows of a fault belong to its rig and span its times; every kind occurs."""
    batch, faults = Plant(seed=1).stream(START, 6000)
    assert {fault.kind for fault in faults} == set(PLANT_FAULTS)
    for fault in faults:
        assert set(batch.entities[fault.rows]) == {fault.entity}
        assert batch.time(int(fault.rows[0])) == fault.start
        assert batch.time(int(fault.rows[-1])) == fault.end
        assert set(fault.guilty) <= set(batch.schema.names)
    starts = [fault.start for fault in faults]
    assert starts == sorted(starts)


def test_a_correlation_break_stays_in_the_sensors_normal_range():
    """No value of a correlation break is one the sensor has not shown in normal operation."""
    plant = Plant(seed=2, rigs=2)
    batch, faults = plant.stream(START, 5000, faults=[FaultKind.CORRELATION_BREAK])
    assert faults
    normal = plant.history(START, 5000)
    for fault in faults:
        column = batch.schema.numbers.index(fault.guilty[0])
        usual = normal.numbers[normal.entities == fault.entity, column]
        shown = batch.numbers[fault.rows, column]
        spread = np.nanstd(usual)
        assert np.nanmin(shown) > np.nanmin(usual) - spread
        assert np.nanmax(shown) < np.nanmax(usual) + spread


def test_a_leak_shows_in_the_flow():
    """A physical fault moves its guilty sensors in the direction physics says."""
    batch, faults = Plant(seed=5, rigs=2).stream(START, 3000, faults=[FaultKind.LEAK])
    healthy = Plant(seed=5, rigs=2).history(START, 3000)
    flow = batch.schema.numbers.index("flow")
    assert faults
    for fault in faults:
        late = fault.rows[len(fault.rows) // 2 :]
        assert np.nanmean(batch.numbers[late, flow]) < 0.97 * np.nanmean(healthy.numbers[late, flow])


def test_without_its_faults_a_stream_is_the_history():
    """Outside the faults and their aftermath, records equal those of normal operation."""
    plant = Plant(seed=6, rigs=2)
    batch, faults = plant.stream(START, 2000, faults=[FaultKind.SPIKE])
    healthy = plant.history(START, 2000)
    normal = np.setdiff1d(np.arange(len(batch)), np.concatenate([fault.rows for fault in faults]))
    np.testing.assert_array_equal(batch.numbers[normal], healthy.numbers[normal])


def test_times_can_be_moved_without_changing_anything_else():
    """A recorded stretch replayed later keeps its records and its faults."""
    batch, faults = Plant(rigs=1).stream(START, 1000)
    moved, later = shift_times(batch, faults, timedelta(hours=1))
    assert moved.times[0] - batch.times[0] == 3_600_000_000
    assert [fault.start - timedelta(hours=1) for fault in later] == [fault.start for fault in faults]
    np.testing.assert_array_equal(moved.numbers, batch.numbers)


@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_short_stretch_is_still_a_stretch(count):
    """Few records give a batch, with or without faults."""
    batch, _ = Plant(rigs=2).stream(START, count)
    assert len(batch) == 2 * count


def test_impossible_plants_are_refused():
    """A plant without rigs, or a stretch without records, is an error."""
    with pytest.raises(ValueError, match="rig"):
        Plant(rigs=0)
    with pytest.raises(ValueError, match="records_per_rig"):
        Plant().history(START, 0)
