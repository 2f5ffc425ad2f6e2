"""Arrays and data frames as batches, for the scikit-learn estimator.

X [N, F] -> RecordSchema, Batch
"""

import warnings
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentwatch.detector.counting import FEWEST_STEPS
from latentwatch.detector.quantities import growth
from latentwatch.detector.sampled_columns import (
    MOSTLY_TIMES,
    Column,
    counts_rows,
    holds_times,
    is_epoch,
    is_identifier,
)
from latentwatch.domain.record import Batch, batch_from_columns, batch_of_numbers
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.domain.times import NO_TIME, parse_times

FARTHEST = 1e30
"""Numbers beyond it are as strange as it: single precision ends at 3e38."""
WORDS_OF_A_TEXT = 3
"""Mean words from which a column of strings counts as text, if most of its values are distinct as well."""
FEWEST_TO_TELL = 50
"""Values from which on it is no chance that nearly all are distinct, or nearly all numbers."""
NEARLY_ALL = 0.95
_TIME = "time"
"""The kind of a column that is no feature of its own: its hour and its weekday are."""
_LOOKED_AT = 1_000
"""Values by which text is taken for times."""
_DAY = 86_400e6
"""Microseconds."""
_THURSDAY = 3
"""The day of the week on which 1970 began, from Monday."""


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


def schema_of_frame(
    frame: pd.DataFrame, owners: NDArray[np.object_] | None = None, times: NDArray[np.int64] | None = None
) -> RecordSchema:
    """Types by dtype and values: numbers, booleans, times (as hour and weekday), and strings as categories or text.

    Times may be written as text or as epoch numbers. Identifiers, and numbers that count the rows or only grow, of each
    owner [N] on its own, are left out: every value of them is new, so that rows with such a column would all look alike
    strange. With `times` [N] a number that only grows is kept for its rate, unless it runs with them. What is left out, or is a number and taken for a time, is named by a UserWarning. Raises ValueError where
    numbers are kept as text, or nothing is left.
    """
    features: list[Feature] = []
    notes: list[str] = []
    frame = frame.reset_index(drop=True)  # rows of several files may bear the same labels
    of = None if owners is None else pd.Series(owners)
    for name, given in frame.items():
        label, column = str(name), _plain(given)
        kind = _kind_of_column(label, column, of, times, notes)
        if kind == _TIME:
            features += _features_of_time(label, _moments(column), notes)
        elif kind is not None:
            features.append(Feature(name=label, type=FeatureType(kind)))
    for note in notes:
        warnings.warn(note, stacklevel=5)  # where `fit` was called
    if not features:
        raise ValueError("no column is left to learn from; give one that is no identifier, counter or clock")
    return RecordSchema(features=tuple(features))


def batch_of_frame(frame: pd.DataFrame, schema: RecordSchema) -> Batch:
    """The frame's rows, typed by the schema that `schema_of_frame` gave for the training frame."""
    columns: dict[str, Any] = {}
    for name, given in frame.items():
        label, column = str(name), _plain(given)
        if f"{label}.hour" in schema.names:
            columns[f"{label}.hour"], columns[f"{label}.weekday"] = _clock(_moments(column))
        elif label in schema.numbers:
            try:
                columns[label] = np.clip(column.to_numpy(np.float64, na_value=np.nan), -FARTHEST, FARTHEST)
            except (TypeError, ValueError) as error:
                raise ValueError(f"column {label!r} held numbers when the detector learned, and now: {error}") from None
        elif label in schema.names:
            columns[label] = column.astype(object).where(column.notna(), None).to_numpy(object)
    return batch_from_columns(schema, columns)


def _plain(column: Any) -> Any:
    """A column of periods as their beginnings, one of durations as seconds, any other as it is."""
    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    return column.dt.total_seconds() if pd.api.types.is_timedelta64_dtype(column.dtype) else column


def not_a_number(frame: pd.DataFrame) -> tuple[str, object] | None:
    """The first column that holds what is no number, and the first such value; None where all are numbers or missing."""
    for name, column in frame.items():
        wrong = column.notna() & pd.to_numeric(column, errors="coerce").isna()
        if wrong.any():
            return str(name), column[wrong].iloc[0]
    return None


def _moments(column: Any) -> NDArray[np.int64]:
    """[N] microseconds since 1970, NO_TIME where a value is no time; text and numbers in UTC, others in their own zone."""
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        return parse_times(column.astype(object).where(column.notna(), None).tolist())
    local = column if column.dt.tz is None else column.dt.tz_localize(None)
    return np.asarray(
        local.to_numpy("datetime64[us]").astype(np.int64)
    )  # a missing one is the smallest number: NO_TIME


def _clock(moments: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[N] hour of the day, 0 to 24, and [N] day of the week, 0 to 7 from Monday; NaN where there is no time."""
    days = np.where(moments == NO_TIME, np.nan, moments / _DAY)
    return days % 1.0 * 24.0, (days + _THURSDAY) % 7.0


def _features_of_time(label: str, moments: NDArray[np.int64], notes: list[str]) -> list[Feature]:
    """Hour and weekday, each where the rows span nearly all of its circle: of a morning the afternoon would be news."""
    known = moments[moments != NO_TIME]
    days = float(np.ptp(known)) / _DAY if len(known) else 0.0
    circles = (("hour", 24.0, 1.0), ("weekday", 7.0, 7.0))
    lacking = [name for name, _, span in circles if days < NEARLY_ALL * span]
    if lacking:
        notes.append(f"column {label!r} spans {days:.1f} days; its {' and '.join(lacking)} will not count")
    return [
        Feature(name=f"{label}.{name}", type=FeatureType.CYCLIC, period=period)
        for name, period, _ in circles
        if name not in lacking
    ]


def select_features(frame: pd.DataFrame, schema: RecordSchema) -> pd.DataFrame:
    """The columns that are the schema's features, under their names: by name, by path, or the time whose hour they are.

    Raises ValueError naming those that are not there.
    """
    places, lacking = {}, []
    for feature in schema.features:
        of = feature.name.rpartition(".")[0] if feature.type is FeatureType.CYCLIC else ""
        found = [place for place in (feature.name, feature.path, of) if place and place in frame.columns]
        if found:
            places[of if found[0] == of else feature.name] = found[0]
        else:
            lacking.append(feature.name)
    if lacking:
        raise ValueError(
            f"X lacks {', '.join(map(repr, lacking))}, which the detector reads; it has {', '.join(map(str, frame.columns))}"
        )
    return frame[list(places.values())].set_axis(list(places), axis=1)


def _kind_of_column(
    label: str, column: Any, owners: "pd.Series[Any] | None", times: NDArray[np.int64] | None, notes: list[str]
) -> str | None:
    """A feature's type, `_TIME`, or None where the column is left out."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _TIME
    if pd.api.types.is_bool_dtype(column.dtype):
        return FeatureType.BOOLEAN
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _kind_of_numbers(label, column, owners, times, notes)
    return _kind_of_values(label, column, owners, times, notes)


def _kind_of_numbers(
    label: str, column: Any, owners: "pd.Series[Any] | None", times: NDArray[np.int64] | None, notes: list[str]
) -> str | None:
    numbers = column.astype(np.float64)
    looked_at = Column(label, column, numbers, typed_time=False, strays=column.iloc[:0])
    if len(numbers) > FEWEST_TO_TELL and is_epoch(looked_at):
        notes.append(f"column {label!r} is read as a time, of which hour and weekday count; rename it if it is none")
        return _TIME
    if counts_rows(looked_at):
        notes.append(f"column {label!r} is left out: it counts the rows")
        return None
    grown = growth(looked_at, owners, times)
    if grown is not None and (times is None or grown.is_clock or len(numbers) <= FEWEST_STEPS):
        notes.append(
            f"column {label!r} is left out: {grown.said}, as a counter or a clock does, so that every new value would look"
            " abnormal; give its change from row to row, or the rows' times, with which its rate a second is judged"
        )
        return None
    if grown is not None:
        notes.append(f"column {label!r}: {grown.said}; what is judged is its rate a second, in 32 bits of its value")
    return FeatureType.NUMERIC


def _kind_of_values(
    label: str, column: Any, owners: "pd.Series[Any] | None", times: NDArray[np.int64] | None, notes: list[str]
) -> str | None:
    """What Python's own objects are: databases give numbers as Decimal. None where the column is left out."""
    given = column.dropna()
    numbers = np.fromiter(
        (isinstance(value, Number) and not isinstance(value, bool) for value in given), bool, len(given)
    )
    if len(given) and numbers.all():
        return _kind_of_numbers(label, column, owners, times, notes)
    words = given.astype(str)
    looked_at = Column(label, words.head(_LOOKED_AT), None, typed_time=False, strays=words.iloc[:0])
    if len(words) and holds_times(looked_at):
        if (parse_times(looked_at.texts.tolist()) != NO_TIME).mean() >= MOSTLY_TIMES:
            return _TIME
        notes.append(f"column {label!r} is left out: it holds days ({words.iloc[0]}); make it times by pd.to_datetime")
        return None
    if words.nunique() > FEWEST_TO_TELL:
        _refuse_numbers_as_text(label, words, numbers)
        if is_identifier(Column(label, words, None, typed_time=False, strays=words.iloc[:0]), NEARLY_ALL):
            notes.append(f"column {label!r} is left out: nearly every value is different, as in an identifier")
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


def _kind_of_words(words: Any) -> FeatureType:
    if not len(words):
        return FeatureType.CATEGORY
    distinct = words.nunique()
    enough = 2 if distinct > max(FEWEST_TO_TELL, NEARLY_ALL * len(words)) else WORDS_OF_A_TEXT
    long = words.str.split().str.len().mean() >= enough
    return FeatureType.TEXT if long and distinct > 0.5 * len(words) else FeatureType.CATEGORY
