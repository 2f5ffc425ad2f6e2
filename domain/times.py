"""Event times from JSON and CSV values, whole columns at once: text or epoch numbers -> int64 microseconds.

Text is ISO 8601, or a day with points between day, month and year, which stand in this order wherever points are used.
"""

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import to_microseconds

NO_TIME = np.iinfo(np.int64).min
"""Stands where a value is not a time."""

_EARLIEST = to_microseconds(datetime(1900, 1, 1))
_LATEST = to_microseconds(datetime(2262, 1, 1))
# Epoch numbers name no unit; their size tells it until the year 5138, as seconds stay below 1e11 until then.
_SECONDS_BELOW, _MILLISECONDS_BELOW, _MICROSECONDS_BELOW = 1e11, 1e14, 1e17
_EPOCH_DIGITS = 9
"""Digits from which text is an epoch number; shorter text such as 20260101 is a date."""
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_FULL = re.compile(rb"0000-00-00[T ]00:00(:00(\.0{1,9})?)?")
"""The shape of a full timestamp."""
_LONGEST = 100
"""Characters of a time's text; Python refuses to make a number of some thousand digits."""
_POINTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:(?:,\s*|\s+|T)(\d{1,2})(:\d{2}.*))?", re.ASCII)


def parse_times(column: Sequence[str | int | float | None]) -> NDArray[np.int64]:
    """[N] microseconds since 1970 UTC; NO_TIME where the value is missing or not a time between 1900 and 2262.

    Text without an offset is taken as UTC. Numbers are seconds, milliseconds, microseconds or nanoseconds by size.

    >>> parse_times(["1970-01-01T00:00:01Z", "1970-01-01 00:00:02"]).tolist()
    [1000000, 2000000]
    >>> parse_times([1700000000, 1700000000000]).tolist()
    [1700000000000000, 1700000000000000]
    >>> parse_times(["2.1.1970", "02.01.1970 00:00:01,5"]).tolist()
    [86400000000, 86401500000]
    """
    kinds = set(map(type, column))
    if kinds == {str}:
        times = _plain_iso(column)  # type: ignore[arg-type]
        if times is None:
            times = np.array([_parse_text(text) for text in column], np.int64)  # type: ignore[arg-type]
    elif kinds == {int}:
        times = _from_epoch(column)
    else:
        times = np.array([_parse_one(value) for value in column], np.int64)
    return bounded(times)


def bounded(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """The times themselves, NO_TIME where they lie outside 1900 to 2262."""
    times[(times < _EARLIEST) | (times >= _LATEST)] = NO_TIME
    return times


def _plain_iso(column: Sequence[str]) -> NDArray[np.int64] | None:
    """The common case, `2026-01-01T00:00:00.123Z` throughout: numpy reads a column at once. None where it may not."""
    first = column[0]
    zulu = first.endswith("Z")
    plain = [text[:-1] for text in column] if zulu else list(column)
    # numpy also reads 'now', bare years and offsets, and warns of what looks like a zone; only full timestamps are left to
    # it, everything else takes the careful path. Columns have few shapes: each is looked at once.
    if first[4:5] != "-" or min(plain) < "1900-01-01T00:00" or max(plain) > "2261-12-31T23:59":
        return None
    if zulu and not all(text.endswith("Z") for text in column):
        return None
    shapes = set("\n".join(plain).encode(errors="replace").translate(_DIGITS_AS_0).split(b"\n"))
    if not all(map(_FULL.fullmatch, shapes)):
        return None
    try:
        return np.array(plain, dtype="datetime64[us]").astype(np.int64)
    except ValueError:
        return None


def _from_epoch(column: Sequence[str | int | float | None]) -> NDArray[np.int64]:
    try:
        numbers = np.array(column, np.int64)
    except OverflowError:
        return np.array([_parse_number(value) for value in column], np.int64)  # type: ignore[arg-type]
    scaled = np.where(numbers < _SECONDS_BELOW, numbers * 1_000_000, numbers)
    scaled = np.where((numbers >= _SECONDS_BELOW) & (numbers < _MILLISECONDS_BELOW), numbers * 1_000, scaled)
    scaled = np.where(numbers >= _MICROSECONDS_BELOW, numbers // 1_000, scaled)
    scaled[numbers < 0] = NO_TIME
    return scaled


def _parse_one(value: str | int | float | None) -> int:
    if isinstance(value, str):
        return _parse_text(value)
    if value is None or isinstance(value, bool):
        return NO_TIME
    return _parse_number(value)


def _parse_number(number: int | float) -> int:
    if not 0 <= number < 1e20:  # also false for NaN
        return NO_TIME
    if number < _SECONDS_BELOW:
        return round(number * 1e6) if isinstance(number, float) else number * 1_000_000
    if number < _MILLISECONDS_BELOW:
        return round(number * 1e3) if isinstance(number, float) else number * 1_000
    return int(number) if number < _MICROSECONDS_BELOW else int(number) // 1_000


def _parse_text(text: str) -> int:
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        return NO_TIME
    if stripped.isascii() and stripped.replace(".", "", 1).isdigit() and len(stripped) >= _EPOCH_DIGITS:
        return _parse_number(float(stripped) if "." in stripped else int(stripped))
    if pointed := _POINTED.fullmatch(stripped):
        day, month, year, hour, rest = pointed.groups()
        stripped = f"{year}-{month:0>2}-{day:0>2}" + ("" if hour is None else f"T{hour:0>2}{rest}")
    try:
        return to_microseconds(datetime.fromisoformat(stripped.replace("/", "-")))
    except (ValueError, OverflowError):
        return NO_TIME
