"""Units that stand beside the numbers of a column: one, or several that are multiples of one, as 900 MiB and 1.2 GiB are.

Text of a column → the numbers' own text, and how many of the smallest unit each is.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from latentwatch.streams.decoding.cells import BLANKS, without_parentheses

_NUMBER = rf"[+-]?\d(?:[\d.,'’{BLANKS}]*\d)?(?:[eE][+-]?\d+)?"
_BEHIND = re.compile(rf"({_NUMBER})[{BLANKS}]*([^\W\d_]|[%‰°$€£¥₹µμ]\S?)([^\s\d]*)")
_CURRENCY = (
    r"(?:[A-Z]{1,3})?[$€£¥₹]|(?:AUD|BRL|CAD|CHF|CNY|DKK|EUR|GBP|INR|JPY|KRW|MXN|NOK|NZD|PLN|SEK|SGD|USD|ZAR)(?=\s)"
)
_BEFORE = re.compile(rf"([+-]?)[{BLANKS}]*({_CURRENCY})[{BLANKS}]*({_NUMBER})")
"""A letter before a number is part of a name, as in P-101, but where it is money."""
_DECIMAL = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SMALL = {"m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9}
_BINARY = {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", 1)}
_AMOUNTS = {"k": 1e3, "K": 1e3, "M": 1e6, "Mil": 1e6, "B": 1e9, "Bil": 1e9, "G": 1e9, "T": 1e12, "Tri": 1e12}
"""What bare numbers are multiplied by, as dashboards shorten them."""
_SPANS = {
    **{"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3},
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("week", "weeks"), 604_800.0),
}
"""Lengths of time in seconds."""
_MOST_UNITS = 8


@dataclass(frozen=True, slots=True)
class FoundUnits:
    """What stands beside a column's numbers."""

    bare: "pd.Series[Any]"
    """The numbers' own text; None where there is none."""
    unit: str = ""
    others: Mapping[str, float] = field(default_factory=dict)
    """Further units that the text has or may have, and how many of `unit` each is."""
    sizes: "pd.Series[Any] | float" = 1.0
    """By how much each row's number is multiplied."""


def find_units(words: "pd.Series[Any]") -> FoundUnits:
    """The units of a column whose every value is a number with one; nothing where the units are of no family.

    >>> found = find_units(pd.Series(["3.2 GiB", "512 MiB", None, "0"]))
    >>> found.unit, found.others["GiB"], found.sizes.tolist()
    ('MiB', 1024.0, [1024.0, 1.0, 1.0, 1.0])
    >>> find_units(pd.Series(["-$1,200", "($7)"])).unit, find_units(pd.Series(["12K", "3.4M", "950"])).others["M"]
    ('$', 1000000.0)
    >>> find_units(pd.Series(["3.2 GiB", "512 rpm"])).unit, find_units(pd.Series(["3A", "3B"])).unit
    ('', '')
    """
    none = FoundUnits(words)
    given = words.dropna().astype(str).str.strip()
    parts = {text: _parted(text) for text in given.unique()}
    units = {unit for text, (_, unit) in parts.items() if unit or not _is_zero(text)}
    if not units or units == {""} or len(units) > _MOST_UNITS:
        return none
    sizes = {next(iter(units)): 1.0} if len(units) == 1 or not units else _family(units)
    if not sizes:
        return none
    bare = given.map(lambda text: parts[text][0]).reindex(words.index).where(words.notna(), None)
    smallest = min(units, key=lambda unit: sizes[unit])
    if len(units) == 1:
        amount = _AMOUNTS.get(smallest)
        if amount is None or smallest in ("B", "T", "G"):  # bytes, tesla, gauss
            return FoundUnits(bare, smallest)
        sizes, smallest = {"": 1.0, **_AMOUNTS}, ""
    base = sizes[smallest] if smallest else 1.0
    others = {unit: size / base for unit, size in sizes.items() if unit and unit != smallest}
    rows = given.map(lambda text: sizes.get(parts[text][1], base) / base).reindex(words.index, fill_value=1.0)
    return FoundUnits(bare, smallest, others, rows)


def _parted(text: str) -> tuple[str, str]:
    """A number's text, in parentheses where it stood in some, and its unit; the text and nothing where it has no unit."""
    inner, negative = without_parentheses(text)
    if match := _BEHIND.fullmatch(inner):
        number, unit = match[1], match[2] + match[3]
    elif match := _BEFORE.fullmatch(inner):
        number, unit = match[1] + match[3], match[2]
    else:
        before = re.fullmatch(rf"({_CURRENCY})[{BLANKS}]*(\(.*\))", text)  # $(1,234)
        return (before[2], before[1]) if before else (text, "")
    return (f"({number})" if negative else number), unit


def _is_zero(text: str) -> bool:
    """Whether nothing is said, of which there is as much in any unit."""
    return re.fullmatch(r"[+-]?0+([.,]0*)?", text) is not None


def _family(units: Collection[str]) -> Mapping[str, float]:
    """The sizes of units that are multiples of one, and of others of their family; none where they are not."""
    if set(units) <= set(_SPANS):
        return _SPANS
    if set(units) <= {"", *_AMOUNTS}:
        return {"": 1.0, **_AMOUNTS}
    prefixes = {"": 1.0, **_DECIMAL, **_SMALL, **_BINARY}
    for base in sorted({unit[len(prefix) :] for unit in units for prefix in prefixes if unit.startswith(prefix)}):
        if base and all(unit.endswith(base) and unit.removesuffix(base) in prefixes for unit in units):
            used = {unit.removesuffix(base) for unit in units}
            kinds = [kind for kind in (_DECIMAL, _SMALL, _BINARY) if used & set(kind)]
            return {base: 1.0} | {prefix + base: size for kind in kinds for prefix, size in kind.items()}
    return {}
