"""A batch on disk between two steps of a retraining run: one Parquet file, read back to the very same batch."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Batch, number_type
from latentwatch.domain.schema import RecordSchema

_KEY = b"latentwatch"


def write_snapshot(batch: Batch, path: Path) -> None:
    """Write a batch whole: a reader sees the old file or the new one, never half of it."""
    schema = batch.schema
    columns: dict[str, pa.Array] = {
        "time": pa.array(batch.times),
        "entity": pa.array(batch.entities, pa.string()),
        "partition": pa.array(batch.partitions),
        "offset": pa.array(batch.offsets),
    }
    columns |= {f"number:{name}": pa.array(batch.numbers[:, i]) for i, name in enumerate(schema.numbers)}
    columns |= {
        f"category:{name}": pa.array(batch.categories[:, i], pa.string()) for i, name in enumerate(schema.categories)
    }
    columns |= {f"text:{name}": pa.array(batch.texts[:, i], pa.string()) for i, name in enumerate(schema.texts)}
    meta = json.dumps({"source": batch.source, "schema": schema.model_dump(mode="json")})
    table = pa.table(columns).replace_schema_metadata({_KEY: meta.encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    pq.write_table(table, unfinished, compression="zstd")
    os.replace(unfinished, path)


def read_snapshot(path: Path) -> Batch:
    """The batch that `write_snapshot` wrote. Raises InvalidInput where the file is missing or something else."""
    try:
        table = pq.read_table(path)
        meta = json.loads((table.schema.metadata or {})[_KEY])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        raise InvalidInput(f"{path}: is not a history snapshot; run the step that snapshots history again") from None
    schema = RecordSchema.model_validate(meta["schema"])
    return Batch(
        schema=schema,
        numbers=_matrix(table, [f"number:{name}" for name in schema.numbers], np.dtype(number_type(schema))),
        categories=_matrix(table, [f"category:{name}" for name in schema.categories], np.dtype(object)),
        texts=_matrix(table, [f"text:{name}" for name in schema.texts], np.dtype(object)),
        entities=_column(table, "entity").astype(object),
        times=_column(table, "time"),
        source=meta["source"],
        partitions=_column(table, "partition"),
        offsets=_column(table, "offset"),
    )


def _column(table: pa.Table, name: str) -> np.ndarray:
    values: np.ndarray = table.column(name).to_numpy(zero_copy_only=False)
    return values


def _matrix(table: pa.Table, names: list[str], kind: np.dtype) -> np.ndarray:
    out = np.empty((table.num_rows, len(names)), kind)
    for place, name in enumerate(names):
        out[:, place] = _column(table, name)
    return out
