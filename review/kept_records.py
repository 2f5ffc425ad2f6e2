"""Records as the database keeps them, put together again so that a detector can read them."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from latentwatch.domain.record import Batch, Value, batch_from_columns
from latentwatch.domain.schema import RecordSchema


def batch_of(schema: RecordSchema, entity: str, times: Sequence[datetime], values: Sequence[dict[str, Value]]) -> Batch:
    """One entity's records, in the order given; what a record does not name is missing in it."""
    columns = {name: [each.get(name) for each in values] for name in schema.names}
    for name in schema.numbers:
        columns[name] = [float("nan") if value is None else value for value in columns[name]]
    moments = np.array([round(time.timestamp() * 1_000_000) for time in times], np.int64)
    return batch_from_columns(schema, columns, entities=[entity] * len(times), times=moments)
