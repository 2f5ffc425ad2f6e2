"""How the numbers of a sampled column are written: what parts their thousands, their decimal sign, and their unit.

Text of a column → FoundSpelling, which is proven by the text or says that nothing proves it; never the likelier of two.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from latentwatch.detector.sampled_columns import Column
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
    given = words.dropna().astype(str)
    commas = given.str.contains(",", regex=False)
    if not plain.numbers[given.index].isna().any() and not (decimal_commas and commas.any()):
        return plain
    bare, unit = _without_unit(words)
    if unit:
        plain = FoundSpelling(_plain_numbers(bare, decimal_commas), None, unit)
    forms = [FoundSpelling(_numbers_of(bare, written), written, unit) for written in FORMS]
    most = max(int(found.numbers.count()) for found in (plain, *forms))
    best = {found.written: found for found in forms if int(found.numbers.count()) == most}
    if plain.numbers.count() == most:
        # Beside a decimal point a comma parts thousands, whatever parts the columns.
        pointed = "1,234.5" in best and "1.234,5" not in best
        proven = decimal_commas and ("1,234.5" if pointed else known)
        return best.get(proven or None, plain)
    chosen = best[known] if known in best else next(iter(best.values()))
    if chosen.written == known or _leaves_out_zeros(bare.dropna().astype(str)):
        return chosen
    rivals = tuple(
        found.written for found in best.values() if found.written and not found.numbers.equals(chosen.numbers)
    )
    return replace(chosen, others=rivals)


def common_form(columns: Iterable[Column]) -> Written | None:
    """How all of a table's numbers may be said to be written; None where that would make another number of one."""
    numeric = [column for column in columns if column.numbers is not None]
    forms = {column.written for column in numeric if column.written}
    if len(forms) != 1:
        return None
    form = forms.pop()
    for column in numeric:
        numbers = column.numbers
        if column.written is None and numbers is not None:
            words = column.texts.where(numbers.notna(), None)
            bare = words if not column.unit else _without_unit(words)[0]
            if not _numbers_of(bare, form).equals(pd.to_numeric(numbers).astype(float)):
                return None
    return form


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


def _leaves_out_zeros(given: "pd.Series[str]") -> bool:
    """Whether a comma parts thousands because whole numbers have no fraction, so that no fraction would end in 0."""
    whole = given.str.strip().str.fullmatch(r"[+-]?[1-9]\d*")
    return bool(whole.any()) and bool(given.str.strip().str.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})*,\d\d0").any())


def _without_unit(words: "pd.Series[Any]") -> tuple["pd.Series[Any]", str]:
    """The text without the unit that stands behind every number, and the unit; as it is where there is none."""
    given = words.dropna().astype(str).str.strip()
    parts = given.str.extract(rf"^(?:{_WITH_UNIT.pattern})$")
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
    plain = words.map(lambda text: form.plain(str(text).strip()), na_action="ignore")
    return pd.to_numeric(plain, errors="coerce").astype(float)
