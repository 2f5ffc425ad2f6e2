"""Numbers and truth values written as text: CSV cells, and text that JSON or Parquet holds where a number belongs.

One rule for training and scoring: what a model learned from in a file is not refused when it arrives on a stream.
In CSV that is not parted by commas, a comma is a number's decimal sign, as spreadsheets of half the world write it.
"""

import re

GROUPED = r"[+-]?\d{1,3}(\.\d{3})+,\d+"
"""A number with a decimal comma whose thousands are parted by points, which the comma shows to be no decimal sign."""
_GROUPED = re.compile(GROUPED, re.ASCII)
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


def number_in(
    cell: str, boolean: bool, decimal_commas: bool = False, missing: frozenset[str] = frozenset()
) -> float | None:
    """The number that a cell writes, 1.0 or 0.0 for a truth value, NaN where it is missing; None where it is none.

    `missing` are further words that mean "no value".

    >>> number_in(" 12.5 ", False), number_in("NA", False), number_in("Yes", True), number_in("high", False)
    (12.5, nan, 1.0, None)
    >>> number_in("?", False), number_in(" unavailable", False)
    (nan, nan)
    >>> number_in("12,5", False, decimal_commas=True), number_in("1.012,5", False, decimal_commas=True)
    (12.5, 1012.5)
    >>> number_in("1.012.5", False, decimal_commas=True), number_in("1.012,5", False)
    (None, None)
    >>> number_in("n.v.", False, missing=frozenset(["n.v."]))
    nan
    """
    stripped = cell.strip()
    if stripped in NO_NUMBER_WORDS or stripped in missing:
        return float("nan")
    if boolean:
        word = stripped.lower()
        return 1.0 if word in TRUE_WORDS else 0.0 if word in FALSE_WORDS else None
    try:
        if not decimal_commas or "," not in stripped:
            return float(stripped)
        whole = stripped.replace(".", "") if _GROUPED.fullmatch(stripped) else stripped
        return float(whole.replace(",", "."))
    except ValueError:
        return None
