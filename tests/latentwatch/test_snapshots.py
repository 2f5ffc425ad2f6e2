"""A snapshot reads back to the very same batch, and anything else is refused."""

from pathlib import Path

import numpy as np
import pytest

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.snapshots import read_snapshot, write_snapshot


def test_a_batch_reads_back_as_it_was(tmp_path: Path):
    """Every column, missing values included, and the schema."""
    schema = RecordSchema.model_validate(
        {"time": "t", "entity": "e", "features": {"x": "numeric", "on": "boolean", "m": "category", "n": "text"}}
    )
    batch = batch_from_columns(
        schema,
        {"x": [1.5, np.nan], "on": [1.0, 0.0], "m": ["a", None], "n": [None, "words"]},
        entities=["r1", ""],
        source="topic",
        partition=3,
        first_offset=7,
    )
    write_snapshot(batch, tmp_path / "deep" / "h.parquet")
    back = read_snapshot(tmp_path / "deep" / "h.parquet")
    assert back.schema == schema
    assert back.source == "topic"
    for name in ("numbers", "times", "partitions", "offsets"):
        np.testing.assert_array_equal(getattr(back, name), getattr(batch, name))
        assert getattr(back, name).dtype == getattr(batch, name).dtype
    for name in ("categories", "texts", "entities"):
        assert getattr(back, name).tolist() == getattr(batch, name).tolist()


def test_large_counters_read_back_exactly(tmp_path: Path):
    """A counter of billions keeps its last digit, which 32 bits would lose."""
    schema = RecordSchema.model_validate({"time": "t", "features": {"sent": "counter", "x": "numeric"}})
    batch = batch_from_columns(schema, {"sent": [5e12 + 1, 5e12 + 2], "x": [0.1, 0.2]})
    write_snapshot(batch, tmp_path / "h.parquet")
    assert read_snapshot(tmp_path / "h.parquet").numbers[:, 0].tolist() == [5e12 + 1, 5e12 + 2]
    assert batch.numbers[:, 1].tolist() == [float(np.float32(0.1)), float(np.float32(0.2))]


def test_another_file_is_refused(tmp_path: Path):
    """A missing file and a file of another kind both name the step to repeat."""
    with pytest.raises(InvalidInput, match="snapshots history again"):
        read_snapshot(tmp_path / "none.parquet")
    (tmp_path / "x.parquet").write_text("not parquet")
    with pytest.raises(InvalidInput, match="is not a history snapshot"):
        read_snapshot(tmp_path / "x.parquet")
