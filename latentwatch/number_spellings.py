"""How the numbers of a sampled column are written: what parts their thousands, their decimal sign, and their unit.

Text of a column → FoundSpelling, which is proven by the text or says that nothing proves it; never the likelier of two.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from latentwatch.domain.schema import Written
from latentwatch.streams.decoding.cells import BLANKS, FORMS, GROUPED

_WITH_UNIT = re.compile(
    rf"([+-]?\d(?:[\d.,'’{BLANKS}]*\d)?(?:[eE][+-]?\d+)?)[{BLANKS}]*([^\W\d_]|[%‰°$€£¥µμ]\S?)([^\s\d]*)"
)
_PREFIXED = re.compile(r"(?:[kKMGTPE]i?|Mil|Bil|[munpµμ])?(.*)")
_SPANS = {"ns", "us", "µs", "μs", "ms", "s", "sec", "min", "m", "h", "d", "hour", "hours", "day", "days", "mins"}
_MOST_UNITS = 8


@dataclass(frozen=True, slots=True)
class FoundSpelling:
    """How a column's numbers are written."""

    numbers: "pd.Series[Any]"
    """By row; NaN where the text is none."""
    written: Written | None = None
    """None where programs, or a decimal comma in CSV that is not parted by commas, write them so."""
    unit: str = ""
    others: tuple[Written, ...] = ()
    """Ways to write numbers that read it all too and make other numbers of it: nothing proves `written`."""


def find_spelling(words: "pd.Series[Any]", decimal_commas: bool, known: Written | None = None) -> FoundSpelling:
    """How the text of a column writes numbers, in the way that reads most of it.

    `words` has None where there is no value; `decimal_commas` says whether a comma is a decimal sign unless the text proves
    another meaning; `known` is how other columns of the table are written, which settles what this one leaves open.
    """
    plain = FoundSpelling(_plain_numbers(words, decimal_commas))
    given = words.dropna()
    if not _is_odd(given, plain.numbers[given.index], decimal_commas):
        return plain
    bare, unit = _without_unit(words)
    candidates = [plain] if not unit else [FoundSpelling(_plain_numbers(bare, decimal_commas), None, unit)]
    candidates += [FoundSpelling(_numbers_of(bare, written), written, unit) for written in FORMS]
    most = max(int(found.numbers.count()) for found in candidates)
    best = [found for found in candidates if int(found.numbers.count()) == most]
    if best[0].written is None and not _mixes_signs(bare.dropna(), best[1:], decimal_commas):
        return best[0]
    best = [found for found in best if found.written is not None]
    chosen = next((found for found in best if found.written == known), best[0])
    others = () if chosen.written == known else tuple(
        found.written for found in best if found.written and not found.numbers.equals(chosen.numbers)
    )
    return FoundSpelling(chosen.numbers, chosen.written, unit, others)


def units_of_a_family(texts: "pd.Series[Any]") -> tuple[str, ...]:
    """An example for each unit, where all text is a number and a unit, and the units are multiples of one; else none.

    >>> units_of_a_family(pd.Series(["3.2 GiB", "512 MiB", "3.3 GiB"]))
    ('3.2 GiB', '512 MiB')
    >>> units_of_a_family(pd.Series(["3.2 GiB", "512 rpm"])), units_of_a_family(pd.Series(["3A", "3B", "late"]))
    ((), ())
    """
    units: dict[str, str] = {}
    for text in texts.dropna().astype(str).unique():
        match = _WITH_UNIT.fullmatch(text.strip())
        if match is not None:
            units.setdefault(match[2] + match[3], text.strip())
        elif pd.notna(pd.to_numeric(text, errors="coerce")):
            units.setdefault("", text.strip())
        else:
            return ()
        if len(units) > _MOST_UNITS:
            return ()
    return tuple(units.values()) if len(units) > 1 and _are_a_family(units) else ()


def _are_a_family(units: Iterable[str]) -> bool:
    bases = [{unit, *(match[1] for match in [_PREFIXED.fullmatch(unit)] if match)} for unit in units]
    return bool(set.intersection(*bases)) or set(units) <= _SPANS


def _is_odd(given: "pd.Series[Any]", numbers: "pd.Series[Any]", decimal_commas: bool) -> bool:
    """Whether some text is no number as it stands, or has a comma that may part thousands."""
    return bool(numbers.isna().any()) or (decimal_commas and bool(given.astype(str).str.contains(",", regex=False).any()))


def _mixes_signs(given: "pd.Series[Any]", rivals: list[FoundSpelling], decimal_commas: bool) -> bool:
    """Whether text with decimal commas shows, by numbers with a decimal point beside them, that commas part thousands."""
    strict = [found.written for found in rivals]
    return decimal_commas and "1,234.5" in strict and "1.234,5" not in strict and bool(len(given))


def _without_unit(words: "pd.Series[Any]") -> tuple["pd.Series[Any]", str]:
    """The text without the unit that stands behind every number, and the unit; as it is where there is none."""
    given = words.dropna().astype(str).str.strip()
    parts = given.str.extract(_WITH_UNIT)
    units = parts[1] + parts[2]
    if not len(given) or units.isna().any() or units.nunique() != 1:
        return words, ""
    return parts[0].reindex(words.index).where(words.notna(), None), str(units.iloc[0])


def _plain_numbers(words: "pd.Series[Any]", decimal_commas: bool) -> "pd.Series[Any]":
    digits = words
    if decimal_commas and words.notna().any():
        grouped = words.str.strip().str.fullmatch(GROUPED).eq(True)
        digits = words.mask(grouped, words.str.replace(".", "", regex=False)).str.replace(",", ".", regex=False)
    return pd.to_numeric(digits, errors="coerce")


def _numbers_of(words: "pd.Series[Any]", written: Written) -> "pd.Series[Any]":
    form = FORMS[written]
    return pd.to_numeric(
        words.map(lambda text: form.plain(str(text).strip()), na_action="ignore"), errors="coerce"
    )
