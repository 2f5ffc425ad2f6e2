"""Lengths of time as people write them: `90s`, `5m`, `14d`."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_SECONDS = 5_000 * 604_800
"""A moment that long ago is still a year of the calendar."""


def parse_duration(value: Any) -> timedelta:
    """A duration from text such as `90s`, `5m`, `14d`, or a number of seconds.

    Raises ValueError for anything else, and for what is negative or longer than 5,000 weeks.

    >>> parse_duration("5m")
    datetime.timedelta(seconds=300)
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", str(value)):
        seconds = float(match[1]) * _UNITS[match[2]]
    else:
        raise ValueError(f"{value!r} is not a duration; write a number and a unit, such as 90s, 5m, 12h or 14d")
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise ValueError(f"{value!r} is no length of time that can be kept; write one from 0s to 5000w")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads back.

    >>> format_duration(timedelta(days=14))
    '2w'
    """
    seconds = value.total_seconds()
    for unit in ("w", "d", "h", "m", "s"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{value / timedelta(milliseconds=1):.3f}".rstrip("0").rstrip(".") + "ms"


def spell_duration(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> spell_duration(0.4), spell_duration(75), spell_duration(3600 * 5 + 60), spell_duration(86400 * 3)
    ('0.4 s', '1 min 15 s', '5 h 1 min', '3 d')
    """
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    left, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
            if len(parts) == 2 or (unit == "min" and left == 0):
                break
        elif parts:
            break
    return " ".join(parts)


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
DurationOrAuto = Annotated[
    Literal["auto"] | timedelta,
    BeforeValidator(lambda value: value if value == "auto" else parse_duration(value)),
    PlainSerializer(lambda value: value if value == "auto" else format_duration(value), return_type=str),
]
