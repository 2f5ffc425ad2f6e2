"""Arrays and data frames as batches, for the scikit-learn estimator.

X [N, F] -> RecordSchema, Batch
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from domain.record import Batch, batch_from_columns, batch_of_numbers
from domain.schema import Feature, FeatureType, RecordSchema

FARTHEST = 1e30
"""Numbers beyond it are as strange as it: single precision ends at 3e38."""
WORDS_OF_A_TEXT = 3
"""Mean words from which a column of strings counts as text, if most of its values are distinct as well."""


def schema_of_array(names: list[str]) -> RecordSchema:
    """Every column a number."""
    return RecordSchema(features=tuple(Feature(name=name, type=FeatureType.NUMERIC) for name in names))


def batch_of_array(values: NDArray[np.float64], schema: RecordSchema, shift: NDArray[np.float64]) -> Batch:
    """[N, F] numbers less `shift` [F], which keeps what single precision would lose of values far from 0."""
    near = np.clip(values - shift if shift.any() else values, -FARTHEST, FARTHEST)
    return batch_of_numbers(schema, np.ascontiguousarray(near, np.float32))


def shift_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[F] a column's mean where it is more than a thousand times its spread, else 0."""
    present = np.isfinite(values)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, values, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(present, (values - mean) ** 2, 0.0).sum(axis=0) / count)
    return np.where(np.abs(mean) > 1e3 * spread, mean, 0.0)


def all_numbers(frame: pd.DataFrame) -> bool:
    """Whether every column is plainly numeric, booleans not counted as such."""
    return all(pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) for kind in frame.dtypes)


def schema_of_frame(frame: pd.DataFrame) -> RecordSchema:
    """Types by dtype: numbers, booleans, times (as hour and weekday), and strings as categories or text."""
    features: list[Feature] = []
    for name, column in frame.items():
        label = str(name)
        if pd.api.types.is_bool_dtype(column.dtype):
            features.append(Feature(name=label, type=FeatureType.BOOLEAN))
        elif pd.api.types.is_numeric_dtype(column.dtype):
            features.append(Feature(name=label, type=FeatureType.NUMERIC))
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            features.append(Feature(name=f"{label}.hour", type=FeatureType.CYCLIC, period=24.0))
            features.append(Feature(name=f"{label}.weekday", type=FeatureType.CYCLIC, period=7.0))
        else:
            features.append(Feature(name=label, type=_kind_of_words(column)))
    return RecordSchema(features=tuple(features))


def batch_of_frame(frame: pd.DataFrame, schema: RecordSchema) -> Batch:
    """The frame's rows, typed by the schema that `schema_of_frame` gave for the training frame."""
    columns: dict[str, Any] = {}
    for name, column in frame.items():
        label = str(name)
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            hour = column.dt.hour + column.dt.minute / 60.0 + column.dt.second / 3600.0
            columns[f"{label}.hour"] = hour.to_numpy(np.float64, na_value=np.nan)
            columns[f"{label}.weekday"] = (column.dt.day_of_week + hour / 24.0).to_numpy(np.float64, na_value=np.nan)
        elif label in schema.numbers:
            try:
                columns[label] = column.to_numpy(np.float64, na_value=np.nan)
            except (TypeError, ValueError) as error:
                raise ValueError(f"column {label!r} held numbers when the detector learned, and now: {error}") from None
        else:
            columns[label] = column.astype(object).where(column.notna(), None).to_numpy(object)
    return batch_from_columns(schema, columns)


def _kind_of_words(column: Any) -> FeatureType:
    words = column.dropna().astype(str)
    if not len(words):
        return FeatureType.CATEGORY
    long = words.str.split().str.len().mean() >= WORDS_OF_A_TEXT
    return FeatureType.TEXT if long and words.nunique() > 0.5 * len(words) else FeatureType.CATEGORY
