"""Numbers and truth values written as text: CSV cells, and text that JSON or Parquet holds where a number belongs.

One rule for training and scoring: what a model learned from in a file is not refused when it arrives on a stream.
"""

MISSING_WORDS = ("", "nan", "NaN", "NA", "<NA>", "N/A", "n/a", "#N/A", "null", "NULL", "None", "-")
"""Cells that mean "no value", once blanks around them are gone."""
TRUE_WORDS = ("1", "true", "yes", "on", "1.0")
FALSE_WORDS = ("0", "false", "no", "off", "0.0")
"""Truth values, in small letters."""


def number_in(cell: str, boolean: bool) -> float | None:
    """The number that a cell writes, 1.0 or 0.0 for a truth value, NaN where it is missing; None where it is none.

    >>> number_in(" 12.5 ", False), number_in("NA", False), number_in("Yes", True), number_in("high", False)
    (12.5, nan, 1.0, None)
    """
    stripped = cell.strip()
    if stripped in MISSING_WORDS:
        return float("nan")
    if boolean:
        word = stripped.lower()
        return 1.0 if word in TRUE_WORDS else 0.0 if word in FALSE_WORDS else None
    try:
        return float(stripped)
    except ValueError:
        return None
