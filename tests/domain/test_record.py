"""Batches hold records as columns and give them back as people see them."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.clock import ManualClock, from_microseconds, to_microseconds
from latentwatch.domain.record import Position, batch_from_columns, concatenate
from latentwatch.domain.schema import RecordSchema

SCHEMA = RecordSchema.model_validate(
    {"features": {"note": "text", "pressure": "numeric", "open": "boolean", "mode": "category"}}
)


def test_a_row_is_shown_with_its_types_in_the_schemas_order():
    """Numbers, booleans, words and missing values come back as themselves."""
    batch = batch_from_columns(
        SCHEMA, {"pressure": [1.5, np.nan], "open": [1, 0], "mode": ["auto", None], "note": ["ok", "leak"]}
    )
    assert list(batch.values(0).items()) == [("note", "ok"), ("pressure", 1.5), ("open", True), ("mode", "auto")]
    assert batch.values(1) == {"note": "leak", "pressure": None, "open": False, "mode": None}
    assert batch.position(1) == Position("memory", 0, 1)


def test_taking_and_joining_rows_loses_nothing():
    """Cutting a batch anywhere and joining it again gives the same rows."""
    batch = batch_from_columns(
        SCHEMA, {"pressure": range(6), "open": [0] * 6, "mode": list("abcdef"), "note": ["n"] * 6}, first_offset=10
    )
    again = concatenate([batch.take(slice(0, 2)), batch.take(slice(2, 6))])
    assert [again.values(row) for row in range(6)] == [batch.values(row) for row in range(6)]
    assert again.offsets.tolist() == [10, 11, 12, 13, 14, 15]


def test_batches_of_different_schemas_do_not_join():
    """Joining columns that mean different things is an error."""
    one = batch_from_columns(RecordSchema.model_validate({"features": {"a": "numeric"}}), {"a": [1.0]})
    two = batch_from_columns(RecordSchema.model_validate({"features": {"b": "numeric"}}), {"b": [1.0]})
    with pytest.raises(ValueError, match="different schemas"):
        concatenate([one, two])


def _schema(**pressure: object) -> RecordSchema:
    return RecordSchema.model_validate(
        {"time": "at", "features": {"pressure": {"type": "numeric", **pressure}, "mode": "category"}}
    )


@pytest.mark.parametrize("change", [{"path": "motor.pressure"}, {"type": "boolean"}, {"type": "cyclic", "period": 24}])
def test_fingerprints_tell_readings_apart(change: dict[str, object]):
    """The fingerprint changes with how a field is read: its path, its type, its period."""
    assert _schema(**change).fingerprint() != _schema().fingerprint()


def test_a_fingerprint_covers_only_what_scoring_reads():
    """A unit, a path written out and a copy leave the fingerprint as it is; a field's name does not."""
    assert _schema(unit="bar", path="pressure").fingerprint() == _schema().fingerprint()
    assert SCHEMA.fingerprint() == RecordSchema.model_validate(SCHEMA.model_dump()).fingerprint()
    assert _schema().fingerprint() != RecordSchema.model_validate({"features": {"mode": "category"}}).fingerprint()


def test_only_what_is_lost_or_changed_prevents_scoring():
    """A model serves a monitor that has more fields, in whatever order; not one that lacks or changed one of its own."""
    more = {"time": "at", "features": {"z": "numeric", "mode": "category", "pressure": "numeric"}}
    added = _schema().compared_with(RecordSchema.model_validate(more))
    assert (added.added, added.prevent_scoring) == (("z",), False)
    fewer = _schema().compared_with(RecordSchema.model_validate({"time": "at", "features": {"mode": "category"}}))
    assert (fewer.lost, fewer.prevent_scoring) == (("pressure",), True)
    moved = _schema().compared_with(_schema(path="motor.pressure"))
    assert moved.changed == ("'pressure' is numeric at motor.pressure now and was numeric",)
    later = _schema().compared_with(_schema().model_copy(update={"time": "when"}))
    assert later.changed == ("time is 'when' now and was 'at'",)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_times_survive_microseconds(moment: datetime):
    """Converting to microseconds and back gives the same moment."""
    assert from_microseconds(to_microseconds(moment)) == moment.replace(tzinfo=UTC)


def test_a_manual_clock_moves_only_when_told():
    """Sleeping on a manual clock advances it instead of waiting."""
    clock = ManualClock()
    start = clock.now()
    clock.sleep(3600)
    assert (clock.now() - start).total_seconds() == 3600
    assert clock.monotonic() == 3600
