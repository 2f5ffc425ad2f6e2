"""How the numbers of a sampled column are written: what parts their thousands, their decimal sign, and their unit.

Text of a column → FoundSpelling, which is proven by the text or says that nothing proves it; never the likelier of two.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from latentwatch.detector.sampled_columns import Column
from latentwatch.domain.field_settings import Written
from latentwatch.streams.decoding.cells import FORMS, GROUPED, Spelling, number_in
from latentwatch.unit_families import find_units

_PARTED = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
"""A number below a million whose point may part thousands as well."""
_WHOLE = 100
"""Whole numbers up to this size and beyond show that larger ones are parted, where three digits behind a point are usual."""


@dataclass(frozen=True, slots=True)
class FoundSpelling:
    """How a column's numbers are written."""

    numbers: "pd.Series[Any]"
    """By row; NaN where the text is none."""
    written: Written | None = None
    """None where programs, or a decimal comma in CSV that is not parted by commas, write them so."""
    unit: str = ""
    units: Mapping[str, float] = field(default_factory=dict)
    """Further units, and how many of `unit` each is."""
    others: tuple[Written, ...] = ()
    """Ways to write numbers that read it all too and make other numbers of it: nothing proves `written`, or that none is needed."""


def find_spelling(words: "pd.Series[Any]", decimal_commas: bool, known: Written | None = None) -> FoundSpelling:
    """How the text of a column writes numbers, in the way that reads most of it.

    `words` has None where there is no value; `decimal_commas` says whether a comma is a decimal sign unless the text proves
    another meaning; `known` is how other columns of the table are written, which settles what this one leaves open.
    """
    plain = FoundSpelling(_plain_numbers(words, decimal_commas))
    given = words.dropna().astype(str)
    commas = given.str.contains(",", regex=False)
    if not plain.numbers[given.index].isna().any() and not (decimal_commas and commas.any()):
        return _with_points(plain, given.str.strip(), decimal_commas, known)
    found = find_units(words)
    bare, unit = found.bare, found.unit
    if unit or found.others:
        plain = FoundSpelling(found.sizes * _plain_numbers(bare, decimal_commas), None, unit, found.others)
    forms = [FoundSpelling(found.sizes * _numbers_of(bare, written), written, unit, found.others) for written in FORMS]
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
            found = find_units(words)
            if not (found.sizes * _numbers_of(found.bare, form)).equals(pd.to_numeric(numbers).astype(float)):
                return None
    return form


def has_decimal_comma(column: Column) -> bool:
    """Whether a column of numbers, of which the monitor need not say how they are written, has a comma for decimal sign."""
    given = column.texts.dropna().astype(str)
    return column.numbers is not None and column.written is None and bool(given.str.contains(r"\d,\d").any())


def _with_points(
    plain: FoundSpelling, given: "pd.Series[str]", decimal_commas: bool, known: Written | None
) -> FoundSpelling:
    """The same, or the thousands of it, where points part them: by what other columns prove, or the whole numbers beside."""
    pointed = given[given.str.contains(".", regex=False)]
    whole = given[given.str.fullmatch(r"[+-]?\d{1,3}")]
    if pointed.empty or len(pointed) + len(whole) < len(given) or not pointed.str.fullmatch(_PARTED).all():
        return plain
    large = bool(len(whole)) and bool((pd.to_numeric(whole).abs() >= _WHOLE).any())
    if known == "1.234,5" or (large and bool(pointed.str.endswith("0").any())):
        return FoundSpelling(_numbers_of(given.reindex(plain.numbers.index), "1.234,5"), "1.234,5")
    return replace(plain, others=("1.234,5",)) if decimal_commas and known is None else plain


def _leaves_out_zeros(given: "pd.Series[str]") -> bool:
    """Whether a comma parts thousands because whole numbers have no fraction, so that no fraction would end in 0."""
    whole = given.str.strip().str.fullmatch(r"[+-]?[1-9]\d*")
    return bool(whole.any()) and bool(given.str.strip().str.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})*,\d\d0").any())


def _plain_numbers(words: "pd.Series[Any]", decimal_commas: bool) -> "pd.Series[Any]":
    digits = words
    if decimal_commas and words.notna().any():
        grouped = words.str.strip().str.fullmatch(GROUPED).eq(True)
        digits = words.mask(grouped, words.str.replace(".", "", regex=False)).str.replace(",", ".", regex=False)
    return pd.to_numeric(digits, errors="coerce")


def _numbers_of(words: "pd.Series[Any]", written: Written) -> "pd.Series[Any]":
    spelling = Spelling(written=written)
    numbers = words.map(lambda text: number_in(str(text), spelling), na_action="ignore")
    return pd.to_numeric(numbers, errors="coerce").astype(float)
