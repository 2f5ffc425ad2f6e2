"""Arrays and data frames as batches, for the scikit-learn estimator.

X [N, F] -> RecordSchema, Batch
"""

import warnings
from datetime import datetime
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentwatch.domain.record import Batch, batch_from_columns, batch_of_numbers
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema

FARTHEST = 1e30
"""Numbers beyond it are as strange as it: single precision ends at 3e38."""
WORDS_OF_A_TEXT = 3
"""Mean words from which a column of strings counts as text, if most of its values are distinct as well."""
FEWEST_TO_TELL = 50
"""Values from which on it is no chance that nearly all are distinct, or nearly all numbers."""
NEARLY_ALL = 0.95


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
    """Types by dtype: numbers, booleans, times (as hour and weekday), and strings as categories or text.

    Identifiers and times written as text are left out, with a UserWarning that names them: every value of them is new,
    so that rows with such a column would all look alike strange. Raises ValueError where numbers are kept as text, or
    nothing is left.
    """
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
        elif (kind := _kind_of_values(label, column)) is not None:
            features.append(Feature(name=label, type=kind))
    if not features:
        raise ValueError("no column is left to learn from; give one that is not an identifier")
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
        elif label in schema.names:
            columns[label] = column.astype(object).where(column.notna(), None).to_numpy(object)
    return batch_from_columns(schema, columns)


def select_features(frame: pd.DataFrame, schema: RecordSchema) -> pd.DataFrame:
    """The columns that are the schema's features, by their names or else their paths, in its order and under its names.

    Raises ValueError naming those that are not there.
    """
    places = {
        feature.name: feature.name if feature.name in frame.columns else feature.path for feature in schema.features
    }
    lacking = [name for name, place in places.items() if place not in frame.columns]
    if lacking:
        raise ValueError(
            f"X lacks {', '.join(map(repr, lacking))}, which the detector reads; it has {', '.join(map(str, frame.columns))}"
        )
    return frame[list(places.values())].set_axis(list(places), axis=1)


def _kind_of_values(label: str, column: Any) -> FeatureType | None:
    """What Python's own objects are: databases give numbers as Decimal. None where the column is left out."""
    given = column.dropna()
    numbers = np.fromiter(
        (isinstance(value, Number) and not isinstance(value, bool) for value in given), bool, len(given)
    )
    if len(given) and numbers.all():
        return FeatureType.NUMERIC
    words = given.astype(str)
    if words.nunique() > FEWEST_TO_TELL:
        _refuse_numbers_as_text(label, words, numbers)
        if words.nunique() > NEARLY_ALL * len(words) and (why := _reason_to_leave_out(words)):
            warnings.warn(f"column {label!r} is left out: {why}", stacklevel=5)  # where `fit` was called
            return None
    return _kind_of_words(words)


def _refuse_numbers_as_text(label: str, words: Any, numbers: NDArray[np.bool_]) -> None:
    """A quantity among which a word stands, or whose numbers are text, would be a category of thousands of words."""
    fractions = words.str.fullmatch(r"\s*[+-]?\d+[.,]\d+\s*").to_numpy(bool)
    if (numbers | fractions).mean() >= NEARLY_ALL:
        example = words.iloc[int(np.argmin(numbers))]
        raise ValueError(
            f"column {label!r} holds numbers, but also text ({example!r}); make it numeric, as "
            f"pd.to_numeric(X[{label!r}], errors='coerce') does, decimal commas replaced before"
        )


def _reason_to_leave_out(words: Any) -> str | None:
    if all(map(_is_time, words.head(FEWEST_TO_TELL))):
        return "its times are text; convert it with pd.to_datetime to have its hour and weekday looked at"
    if words.str.split().str.len().mean() < 2:
        return "nearly every value is different, as in an identifier"
    return None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        return False
    return len(text) >= len("2026-01-31")


def _kind_of_words(words: Any) -> FeatureType:
    if not len(words):
        return FeatureType.CATEGORY
    distinct = words.nunique()
    enough = 2 if distinct > max(FEWEST_TO_TELL, NEARLY_ALL * len(words)) else WORDS_OF_A_TEXT
    long = words.str.split().str.len().mean() >= enough
    return FeatureType.TEXT if long and distinct > 0.5 * len(words) else FeatureType.CATEGORY
