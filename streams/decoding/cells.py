"""Numbers and truth values written as text: CSV cells, and text that JSON or Parquet holds where a number belongs.

One rule for training and scoring: what a model learned from in a file is not refused when it arrives on a stream.
In CSV that is not parted by commas, a comma is a number's decimal sign, as spreadsheets of half the world write it, unless
the monitor says with `written` how numbers are written, which lets parentheses stand for a minus as well, as accounts have
them. Before or behind a number may stand the feature's unit, or another whose size the monitor says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from latentwatch.domain.field_settings import UnitSize, Written
from latentwatch.domain.schema import FeatureType, RecordSchema

GROUPED = r"[+-]?\d{1,3}(\.\d{3})+,\d+"
"""A number with a decimal comma whose thousands are parted by points, which the comma shows to be no decimal sign."""
_GROUPED = re.compile(GROUPED, re.ASCII)
BLANKS = " \u00a0\u202f"
"""What may stand between thousands, and before a unit; narrow ones too."""


def _form(parting: str, decimal: str) -> str:
    return rf"[+-]?([1-9]\d{{0,2}}([{parting}]\d{{3}})+|\d*)([{decimal}]\d*)?([eE][+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class NumberForm:
    """A way to write numbers."""

    pattern: str
    """What such a number looks like, a regular expression that SQL knows as well."""
    parting: str
    """The characters that may stand between thousands."""
    decimal: str

    def plain(self, text: str) -> str | None:
        """The number as programs write it; None where it is not of this form."""
        if re.fullmatch(self.pattern, text, re.ASCII) is None:
            return None
        for sign in self.parting:
            text = text.replace(sign, "")
        return text.replace(self.decimal, ".")


FORMS: dict[Written, NumberForm] = {
    "1,234.5": NumberForm(_form(",", "."), ",", "."),
    "1.234,5": NumberForm(_form(".", ","), ".", ","),
    "1 234.5": NumberForm(_form(BLANKS, "."), BLANKS, "."),
    "1 234,5": NumberForm(_form(BLANKS, ","), BLANKS, ","),
    "1'234.5": NumberForm(_form("'’", "."), "'’", "."),
}
"""By how the monitor says it. Thousands are whole groups of three, so that 1,2 or 1,2345 is none of them."""
MISSING_WORDS = ("", "nan", "NaN", "NA", "<NA>", "N/A", "n/a", "#N/A", "null", "NULL", "None", "-")
"""Cells that mean "no value", once blanks around them are gone."""
NO_NUMBER_WORDS = (*MISSING_WORDS, "?", "unavailable", "Unavailable", "unknown", "Unknown", "undefined")
"""Those of a number; in a category the further ones are values like others."""
TRUE_WORDS = ("1", "true", "yes", "on", "1.0")
FALSE_WORDS = ("0", "false", "no", "off", "0.0")
"""Truth values, in small letters."""


def has_decimal_commas(delimiter: str) -> bool:
    """Whether a comma within a number of CSV so parted can only be its decimal sign."""
    return delimiter != ","


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a feature's cells write its numbers."""

    boolean: bool = False
    decimal_commas: bool = False
    """Whether a comma is the decimal sign where `written` says nothing."""
    missing: frozenset[str] = frozenset()
    """Further words that mean "no value"."""
    written: Written | None = None
    units: tuple[tuple[str, float], ...] = ()
    """What may stand before or behind a number, longer ones first, and by how much it multiplies the number."""

    @property
    def reads_plain(self) -> bool:
        """Whether text that programs read as a number means just that."""
        return not self.boolean and (self.written is None or FORMS[self.written].decimal == ".")


def spelling_of(schema: RecordSchema, name: str, decimal_commas: bool = False) -> Spelling:
    """How a feature's cells write its numbers, by the monitor and by what parts its CSV."""
    feature = schema.feature(name)
    return Spelling(
        feature.type is FeatureType.BOOLEAN,
        decimal_commas,
        schema.missing_words(name),
        schema.written_of(name),
        units_of(feature.unit, feature.units),
    )


def units_of(unit: str, others: Sequence[UnitSize]) -> tuple[tuple[str, float], ...]:
    """A feature's unit and others with their sizes, in the order in which a number's text is to be searched for them."""
    sizes = {each.unit: each.size for each in others} | ({unit.strip(): 1.0} if unit.strip() else {})
    return tuple(sorted(sizes.items(), key=lambda pair: -len(pair[0])))


def number_in(cell: str, spelling: Spelling) -> float | None:
    """The number that a cell writes, 1.0 or 0.0 for a truth value, NaN where it is missing; None where it is none.

    >>> plain, comma = Spelling(), Spelling(decimal_commas=True)
    >>> number_in(" 12.5 ", plain), number_in("NA", plain), number_in("Yes", Spelling(boolean=True)), number_in("high", plain)
    (12.5, nan, 1.0, None)
    >>> number_in("?", plain), number_in(" unavailable", plain)
    (nan, nan)
    >>> number_in("12,5", comma), number_in("1.012,5", comma)
    (12.5, 1012.5)
    >>> number_in("1.012.5", comma), number_in("1.012,5", plain)
    (None, None)
    >>> number_in("n.v.", Spelling(missing=frozenset(["n.v."])))
    nan
    >>> thousands = Spelling(written="1,234.5", units=(("EUR", 1.0),))
    >>> number_in("-1,012.50 EUR", thousands), number_in("12", thousands), number_in("1,2", thousands), number_in("1 USD", thousands)
    (-1012.5, 12.0, None, None)
    >>> number_in("(EUR 1,012.50)", thousands), number_in("-EUR 7", thousands), number_in("(-7)", thousands), number_in("(7)", plain)
    (-1012.5, -7.0, None, None)
    >>> number_in("1.5K", Spelling(units=(("K", 1e3), ("M", 1e6)))), number_in("2 M", Spelling(units=(("M", 1e6),)))
    (1500.0, 2000000.0)
    """
    stripped = cell.strip()
    if stripped in NO_NUMBER_WORDS or stripped in spelling.missing:
        return float("nan")
    if spelling.boolean:
        word = stripped.lower()
        return 1.0 if word in TRUE_WORDS else 0.0 if word in FALSE_WORDS else None
    negative = False
    if spelling.written is not None:
        stripped, negative = without_parentheses(stripped)
    size = 1.0
    if spelling.units:
        stripped, size = _without_units(stripped, spelling.units)
        if spelling.written is not None and not negative:
            stripped, negative = without_parentheses(stripped)  # $(1,234)
    if negative and stripped[:1] in ("+", "-"):
        return None
    number = _read(stripped, spelling)
    return None if number is None else -size * number if negative else size * number


def without_parentheses(text: str) -> tuple[str, bool]:
    """A number's text out of the parentheses that accounts write in place of a minus, and whether it stood in some."""
    if text[:1] == "(" and text[-1:] == ")":
        return text[1:-1].strip(), True
    return text, False


def _without_units(text: str, units: Sequence[tuple[str, float]]) -> tuple[str, float]:
    sign = text[:1] if text[:1] in ("+", "-") else ""
    for unit, size in units:
        if text.endswith(unit):
            return text.removesuffix(unit).rstrip(), size
        if text.startswith(unit, len(sign)):
            return sign + text[len(sign) + len(unit) :].lstrip(), size
    return text, 1.0


def _read(text: str, spelling: Spelling) -> float | None:
    try:
        if spelling.written is not None:
            plain = FORMS[spelling.written].plain(text)
            return None if plain is None else float(plain)
        if not spelling.decimal_commas or "," not in text:
            return float(text)
        whole = text.replace(".", "") if _GROUPED.fullmatch(text) else text
        return float(whole.replace(",", "."))
    except ValueError:
        return None
