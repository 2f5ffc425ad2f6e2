"""Tables that can be read and would be misunderstood: each is refused with what to change, before a monitor is guessed.

Columns of text, sampled from a file → nothing, or InvalidHistory.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentwatch.detector.sampled_columns import Column, are_dates
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.times import are_strokes
from latentwatch.streams.decoding.columns import shorten
from latentwatch.tables import TableFile

DECIMAL_COMMA = r"\s*[+-]?\d+,\d+\s*"
_DAY = r"\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\s*"
_TIME_OF_DAY = r"\s*\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(?i:[ap]m)?\s*"
_SEPARATORS = ";,\t|^~ "
_MOSTLY = 0.95
_BLANKS = 0.8
"""The share of lines that part into as many numbers; the others are headers that come again with every page."""


def refuse_unsuitable_tables(file: TableFile, columns: Sequence[Column]) -> None:
    """Refuse commas of two meanings, days apart from their hours, and a header that is not the table's own.

    Raises InvalidHistory.
    """
    _refuse_unclear_commas(file, columns)
    texts = {column.name: column.texts for column in columns if column.numbers is None}
    _refuse_split_times(file, texts)
    if file.head is not None and not file.head.is_record:
        _refuse_titles(file)
        if len(file.columns) == 1 and texts:
            _refuse_unparted(file, *next(iter(texts.items())))


def refuse_empty(file: TableFile, rows: int) -> None:
    """Refuse a file without records. Raises InvalidHistory."""
    if rows == 0:
        what = (
            "there is no record in it"
            if file.head is None
            else f"has a header ({shorten(', '.join(file.columns))}) and no rows"
        )
        raise InvalidHistory(f"{file.path}: {what}; give a sample with some hundred normal records")


def refuse_one_record(file: TableFile, rows: int) -> None:
    """Refuse a single record, which says nothing of what is normal. Raises InvalidHistory."""
    if rows == 1:
        shape = (
            "; of one JSON document write its records one object a line (JSON lines)" if file.format == "jsonl" else ""
        )
        raise InvalidHistory(
            f"{file.path}: holds one record, which says nothing of what is normal; give a sample with some hundred normal "
            f"records{shape}"
        )


def refuse_dates(path: str, name: str, texts: "pd.Series[Any]") -> None:
    """Refuse a column that should be the time and holds dates in words or in an order that nobody can be sure of."""
    if are_dates(texts):
        given = texts.dropna().astype(str)
        unclear = given.map(are_strokes).any()
        raise InvalidHistory(
            f"{path}: column {name!r} holds times that are not ISO 8601 ({given.iloc[0]}), and "
            + ("nothing proves which number is the day" if unclear else "they are written in no way that is known")
            + "; write them as 2026-01-31T12:00:00Z, "
            + ("give a sample with a day after the 12th, " if unclear else "")
            + "or name another column with --time"
        )


def _refuse_unclear_commas(file: TableFile, columns: Sequence[Column]) -> None:
    """What is 12,000 to one is 12.000 to another, and a model would learn a thousandth of it in silence."""
    for column in columns:
        if column.others and column.written:
            given = column.texts.dropna().astype(str)
            shown = given[given.str.contains(",", regex=False)].iloc[0].strip()
            raise InvalidHistory(
                f"{file.path}: column {column.name!r} has numbers with a comma ({shown}), and nothing proves whether it parts "
                f"thousands or is the decimal sign; write them without it ({shown.replace(',', '')} or {shown.replace(',', '.')}), "
                "or give a sample that shows more"
            )


def _refuse_split_times(file: TableFile, texts: Mapping[str, "pd.Series[Any]"]) -> None:
    """The day alone would otherwise be every record's time, and the time of day a feature of a thousand words."""
    days, hours = (
        [name for name, column in texts.items() if column.astype(str).str.fullmatch(form).all()]
        for form in (_DAY, _TIME_OF_DAY)
    )
    if days and hours:
        raise InvalidHistory(
            f"{file.path}: {days[0]!r} holds the day and {hours[0]!r} the time of day; join them into one column, as in "
            "2026-01-31T12:00:00Z"
        )


def _refuse_titles(file: TableFile) -> None:
    """A line of text over the table, filled up with delimiters, would otherwise name its columns."""
    unnamed = [name for place, name in enumerate(file.columns) if name == f"column{place}"]
    if len(unnamed) >= 2 and 2 * len(unnamed) >= len(file.columns):
        raise InvalidHistory(
            f"{file.path}: the first line names only {len(file.columns) - len(unnamed)} of {len(file.columns)} columns; "
            "begin the file with the line of column names, and leave out what stands above it"
        )


def _refuse_unparted(file: TableFile, name: str, texts: "pd.Series[Any]") -> None:
    """Columns that nothing known parts, or a title without delimiters, make one column of whole lines."""
    given = texts.dropna().astype(str)
    words = [line.split() for line in given]
    width = int(np.median([len(row) for row in words])) if words else 0
    even = [row for row in words if len(row) == width]
    if (
        width > 2
        and len(even) >= _BLANKS * len(words)
        and np.mean([_is_number(word) for row in even for word in row]) > 0.5
    ):
        raise InvalidHistory(
            f"{file.path}: the columns are parted by ' '; part them by comma, below one line of column names, as "
            "\"sed 's/^ *//; s/  */,/g'\" does"
        )
    for separator in _SEPARATORS:
        counts = given.str.count(re.escape(separator))
        usual = int(counts.median()) if len(counts) else 0
        if usual == 0 or (counts == usual).mean() < _MOSTLY:
            continue
        if name.count(separator) == usual:
            raise InvalidHistory(
                f"{file.path}: the columns are parted by {separator!r}; part them by comma, semicolon, tab or bar"
            )
        if separator != " ":  # phrases of as many words are a column
            raise InvalidHistory(
                f"{file.path}: the first line, {name!r}, has one column, the others have {usual + 1}, parted by "
                f"{separator!r}; begin the file with the line of column names, and leave out what stands above it"
            )


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).removeprefix("-").isdigit()
