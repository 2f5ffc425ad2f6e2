"""Event times from JSON and CSV values, whole columns at once: text or epoch numbers -> int64 microseconds.

Text is ISO 8601; or as mail headers have it (RFC 2822); or a day with points between day, month and year, which stand in
this order wherever points are used; or with the month in words; or as web servers log it; or as controllers have it (IEC 61131-3). Between strokes the order is a country's: such text is a time only for whoever says it.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime

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
_STROKES = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?:(?:,\s*|\s+|T)(\d{1,2})(:\d{2}.*))?", re.ASCII)
_HALF_DAY = re.compile(r"(.*?)(\d{1,2})(:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*([ap])\.?m\.?(.*)", re.ASCII | re.IGNORECASE)
_LOGGED = re.compile(
    r"\[?(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d{2}:\d{2}:\d{2}(?:\.\d+)?)(?:\s*([+-]\d{4}))?\]?", re.ASCII
)
_CONTROLLER = re.compile(
    r"(?:L?DT|DATE_AND_TIME)#(\d{4}-\d{1,2}-\d{1,2})-(\d{1,2}):(\d{2}.*)", re.ASCII | re.IGNORECASE
)
_NAMED = re.compile(
    r"(?:(\d{1,2})([ -])([A-Za-z]{3,9})\.?\2(\d{4}|\d\d)|([A-Za-z]{3,9})\.? (\d{1,2}),? (\d{4}),?)(?:[ T:]+(\d{1,2})(:\d{2}.*))?",
    re.ASCII,
)
"""A day with its month in words, as historians and American exports have it; without a zone, or with one in digits."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MAIL = re.compile(r"([A-Za-z]{3,9},\s*)?\d{1,2}[ -][A-Za-z]{3}[ -]\d{4}\s+\d{1,2}:\d{2}.*", re.ASCII)


def are_strokes(text: str) -> bool:
    """Whether text is a day whose order is a country's, such as 03/04/2026.

    >>> are_strokes("3/4/2026 10:00 PM"), are_strokes("2026-04-03")
    (True, False)
    """
    return _STROKES.fullmatch(text.strip()) is not None


def day_comes_first(column: Iterable[str]) -> bool | None:
    """Whether days such as 31/12/2026 stand before their months, proven by a number beyond 12.

    None where nothing proves it, or days prove both.

    >>> day_comes_first(["01/02/2026", "13/02/2026"]), day_comes_first(["01/02/2026"])
    (True, None)
    """
    found = [match for text in column if (match := _STROKES.fullmatch(text.strip()))]
    first, second = (any(int(match[place]) > 12 for match in found) for place in (1, 3))
    return None if first == second else first


def parse_times(column: Sequence[str | int | float | None], day_first: bool | None = None) -> NDArray[np.int64]:
    """[N] microseconds since 1970 UTC; NO_TIME where the value is missing or not a time between 1900 and 2262.

    Text without an offset is taken as UTC. Numbers are seconds, milliseconds, microseconds or nanoseconds by size.
    Text such as 03/04/2026 is a time only where `day_first` says which of the numbers is the day.

    >>> parse_times(["1970-01-01T00:00:01Z", "1970-01-01 00:00:02"]).tolist()
    [1000000, 2000000]
    >>> parse_times([1700000000, 1700000000000]).tolist()
    [1700000000000000, 1700000000000000]
    >>> parse_times(["2.1.1970", "02.01.1970 00:00:01,5"]).tolist()
    [86400000000, 86401500000]
    >>> parse_times(["1/2/1970 12:00:01 AM"], day_first=False).tolist()
    [86401000000]
    >>> parse_times(["02/Jan/1970:00:00:01 +0000", "DT#1970-01-02-00:00:01.5"]).tolist()
    [86401000000, 86401500000]
    >>> parse_times(["Fri, 02 Jan 1970 00:00:01 +0000", "1970-01-02 00:00:01 UTC"]).tolist()
    [86401000000, 86401000000]
    >>> parse_times(["02-Jan-1970 00:00:01", "02-Jan-70 00:00:01", "Jan 2, 1970, 12:00:01 AM", "2 January 1970"]).tolist()
    [86401000000, 86401000000, 86401000000, 86400000000]
    """
    kinds = set(map(type, column))
    if kinds == {str}:
        times = _plain_iso(column)  # type: ignore[arg-type]
        if times is None:
            times = np.array([_parse_text(text, day_first) for text in column], np.int64)  # type: ignore[arg-type]
    elif kinds == {int}:
        times = _from_epoch(column)
    else:
        times = np.array([_parse_one(value, day_first) for value in column], np.int64)
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


def _parse_one(value: str | int | float | None, day_first: bool | None) -> int:
    if isinstance(value, str):
        return _parse_text(value, day_first)
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


def _parse_text(text: str, day_first: bool | None) -> int:
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        return NO_TIME
    if stripped.isascii() and stripped.replace(".", "", 1).isdigit() and len(stripped) >= _EPOCH_DIGITS:
        return _parse_number(float(stripped) if "." in stripped else int(stripped))
    if _MAIL.fullmatch(stripped):
        with suppress(ValueError, OverflowError, TypeError):
            return to_microseconds(parsedate_to_datetime(stripped))
    try:
        return to_microseconds(datetime.fromisoformat(_as_iso(stripped, day_first)))
    except (ValueError, OverflowError, TypeError):
        return NO_TIME


def _as_iso(text: str, day_first: bool | None) -> str:
    """Text of other habits as ISO 8601 has it; raises ValueError for a day whose order nobody said."""
    if "/" in text and (logged := _LOGGED.fullmatch(text)):
        number, name, year, clock, zone = logged.groups()
        return f"{year}-{_MONTHS.index(name.lower()) + 1:02}-{number:0>2}T{clock}{zone or ''}"
    if "#" in text and (controller := _CONTROLLER.fullmatch(text)):
        day, hour, rest = controller.groups()
        year, month, number = day.split("-")
        return f"{year}-{month:0>2}-{number:0>2}T{hour:0>2}:{rest}"
    if half := _HALF_DAY.fullmatch(text):
        before, hour, minutes, which, after = half.groups()
        if not 1 <= int(hour) <= 12:
            raise ValueError(text)
        text = f"{before}{int(hour) % 12 + 12 * (which in 'pP'):02}{minutes}{after}"
    if text[-3:].upper() in ("UTC", "GMT"):
        text = text[:-3].rstrip() + "Z"
    day, stroked = _POINTED.fullmatch(text), _STROKES.fullmatch(text)
    if named := _NAMED.fullmatch(text):
        number, _, name, year, first_name, second, full, hour, rest = named.groups()
        month = str(_MONTHS.index((name or first_name).lower()[:3]) + 1)
        number, year = number or second, year or full
        year = year if len(year) == 4 else f"{'19' if year >= '70' else '20'}{year}"
    elif day:
        number, month, year, hour, rest = day.groups()
    elif stroked:
        if day_first is None:
            raise ValueError(text)
        one, _, other, year, hour, rest = stroked.groups()
        number, month = (one, other) if day_first else (other, one)
    else:
        return text.replace("/", "-")
    return f"{year}-{month:0>2}-{number:0>2}" + ("" if hour is None else f"T{hour:0>2}{rest}")
