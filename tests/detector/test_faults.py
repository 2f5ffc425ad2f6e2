"""Faults planted into any normal records are where and what they are said to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentwatch.detector.faults import ROW_FAULTS, SENSOR_FAULTS, FaultKind, plant_faults
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema


def sensors(count: int, seed: int = 0, entities: int = 2) -> Batch:
    """Two coupled channels and one that never moves, for several entities."""
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(size=count)) * 0.1
    schema = RecordSchema.model_validate({"features": {"a": "numeric", "b": "numeric", "fixed": "numeric"}})
    columns = {"a": slow + rng.normal(0, 0.1, count), "b": 2 * slow, "fixed": np.full(count, 7.0)}
    return batch_from_columns(schema, columns, entities=[f"e{row % entities}" for row in range(count)])


def test_every_kind_is_planted_and_only_there():
    """All sensor kinds occur; rows outside the faults keep their values bit for bit."""
    batch = sensors(8000)
    faulty, faults = plant_faults(batch, seed=1)
    assert {fault.kind for fault in faults} == set(SENSOR_FAULTS)
    touched = np.concatenate([fault.rows for fault in faults])
    assert len(np.unique(touched)) == len(touched)
    untouched = np.setdiff1d(np.arange(len(batch)), touched)
    np.testing.assert_array_equal(faulty.numbers[untouched], batch.numbers[untouched])


def test_a_fault_changes_only_its_guilty_feature():
    """Within a fault's rows the other features are untouched."""
    batch = sensors(6000)
    faulty, faults = plant_faults(batch, seed=2)
    for fault in faults:
        column = batch.schema.numbers.index(fault.guilty[0])
        others = [index for index in range(3) if index != column]
        np.testing.assert_array_equal(faulty.numbers[fault.rows][:, others], batch.numbers[fault.rows][:, others])
        assert set(batch.entities[fault.rows]) == {fault.entity}


def test_stuck_shift_and_constant_do_what_they_say():
    """A stuck value repeats, a shifted one moves by three spreads, a constant one leaves its value."""
    batch = sensors(6000)
    faulty, faults = plant_faults(batch, seed=3)
    for fault in faults:
        column = batch.schema.numbers.index(fault.guilty[0])
        shown = faulty.numbers[fault.rows, column]
        if fault.kind is FaultKind.STUCK:
            assert len(set(shown.tolist())) == 1
        if fault.kind is FaultKind.CONSTANT_MOVES:
            assert fault.guilty == ("fixed",)
            assert (shown != 7.0).all()


def test_rows_on_their_own_get_row_faults():
    """Without time order each fault is one row of a kind that a single row can show."""
    batch = sensors(500)
    _, faults = plant_faults(batch, seed=4, per_kind=20, in_time=False)
    of_numbers = set(ROW_FAULTS) - {FaultKind.UNKNOWN_WORD, FaultKind.ODD_TEXT}
    assert {fault.kind for fault in faults} == of_numbers
    assert all(len(fault.rows) == 1 for fault in faults)
    assert len(faults) == 20 * len(of_numbers)


def test_payments_that_are_entities_each_get_faults_of_their_size():
    """Their spread is that of all; words, texts and far values are among the faults, and no amount becomes negative."""
    rng = np.random.default_rng(0)
    told = {"amount": "numeric", "country": "category", "note": "text"}
    schema = RecordSchema.model_validate({"entity": "id", "features": told})
    columns = {"amount": np.exp(rng.normal(3, 1, 400)), "country": ["DE", "FR"] * 200, "note": ["a purchase"] * 400}
    batch = batch_from_columns(schema, columns, entities=[f"tx{row}" for row in range(400)])
    faulty, faults = plant_faults(batch, seed=0, in_time=False)
    kinds = {fault.kind: fault for fault in faults}
    assert set(kinds) == {*ROW_FAULTS} - {FaultKind.CONSTANT_MOVES, FaultKind.CORRELATION_BREAK}
    far = kinds[FaultKind.FAR].rows
    assert faulty.numbers[far, 0] > 1.9 * batch.numbers.max()
    assert faulty.categories[kinds[FaultKind.UNKNOWN_WORD].rows, 0][0] not in ("DE", "FR")
    assert faulty.texts[kinds[FaultKind.ODD_TEXT].rows, 0] != "a purchase"


def test_a_fault_in_things_told_as_one_series_befalls_one_of_them():
    """Of five hosts in one series without an entity each fault touches one record of each time."""
    host = np.arange(5000) % 5
    values = np.random.default_rng(0).normal(size=5000) * 10.0**host
    schema = RecordSchema.model_validate({"time": "at", "features": {"value": "numeric"}})
    batch = batch_from_columns(schema, {"value": values}, times=np.arange(5000) // 5 * 60_000_000)
    faulty, faults = plant_faults(batch, seed=0, length=20)
    for fault in (fault for fault in faults if fault.kind is FaultKind.SHIFT):  # by three of its own spreads
        moved = np.abs(faulty.numbers[fault.rows, 0] - batch.numbers[fault.rows, 0])
        assert moved == pytest.approx(3.0 * 10.0 ** host[fault.rows[0]], rel=0.1)
    long = [fault.rows for fault in faults if len(fault.rows) == 20]
    assert long
    assert all((np.diff(rows) == 5).all() for rows in long)


def test_too_short_a_batch_is_refused():
    """Where no fault fits the error says so."""
    with pytest.raises(InvalidHistory, match="no room"):
        plant_faults(sensors(30), seed=0)


@settings(max_examples=25)
@given(count=st.integers(130, 900), seed=st.integers(0, 99), length=st.integers(4, 40))
def test_planting_is_seeded_and_stays_inside(count, seed, length):
    """The same seed plants the same faults, and every row exists."""
    batch = sensors(count)
    first, faults = plant_faults(batch, seed=seed, length=length)
    second, again = plant_faults(batch, seed=seed, length=length)
    np.testing.assert_array_equal(first.numbers, second.numbers)
    assert faults == again
    assert all(fault.rows.min() >= 0 and fault.rows.max() < count for fault in faults)
