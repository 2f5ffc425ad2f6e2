"""Rows of a sample that are no records: of another width, as comments and restarts have, or a line of units.

CSV file, or its sampled columns → the rows that are records, and a sentence on the others.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from latentwatch.detector.sampled_columns import Column
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.times import NO_TIME, parse_times
from latentwatch.sample import SAMPLE_ROWS, resampled
from latentwatch.streams.decoding.cells import NO_NUMBER_WORDS
from latentwatch.streams.decoding.columns import shorten
from latentwatch.tables import TableFile
from latentwatch.text_rows import csv_rows

_MOSTLY = 0.95
"""The share of rows from which on the others are accidents, as in training."""


def uneven_rows(file: TableFile) -> tuple[list[int], str]:
    """The sampled rows of another width than the header's, counted from 0, and what to say of them.

    Raises InvalidHistory where they are more than accidents, naming the header below a title where there is one.
    """
    if file.head is None:
        return [], ""
    width = len(file.head.names)
    rows = list(csv_rows(file.path, file.head, SAMPLE_ROWS, file.encoding))
    uneven = [number for number, row in enumerate(rows) if row.reason]
    if not uneven:
        return [], ""
    usual, often = Counter(row.width for row in rows).most_common(1)[0]
    if usual != width and often >= _MOSTLY * len(rows):
        first = next(row.text for row in rows if row.width == usual)
        raise InvalidHistory(
            f"{file.path}: the first line, {shorten(file.head.delimiter.join(file.head.names))}, parts into {width}, the others into "
            f"{usual}, the first of which is {shorten(first)}; begin the file with the line of column names, and leave out what "
            "stands above it"
        )
    said = f"row {uneven[0] + 1}: {rows[uneven[0]].reason}"
    if len(uneven) > (1 - _MOSTLY) * len(rows):
        more = f" (and {len(uneven) - 1:,} more rows)" if len(uneven) > 1 else ""
        raise InvalidHistory(f"{file.path}: {said}{more}; correct the file")
    return uneven, (
        f"no records: {len(uneven):,} of the rows, as comments and restarts are ({said}); training leaves them out, scoring "
        "answers them with an error"
    )


def without_units(sample: Sequence[Column], decimal_commas: bool) -> tuple[list[Column], str]:
    """The columns without a first row that says what the numbers below it are in, and what to say of it."""
    if not sample or len(sample[0].texts) < 3:
        return list(sample), ""
    index = sample[0].texts.index
    first = {column.name: column.texts[index[0]] for column in sample}
    rest = resampled(sample, pd.Series(np.arange(len(index)) > 0, index), decimal_commas)
    heads = [
        str(first[column.name])
        for column in rest
        if column.numbers is not None and not pd.isna(first[column.name]) and _is_word(first[column.name])
    ]
    numbers = [column for column in rest if column.numbers is not None and not pd.isna(first[column.name])]
    given = [str(text) for text in first.values() if not pd.isna(text)]
    if not heads or len(heads) < len(numbers) or (parse_times(given) != NO_TIME).any():
        return list(sample), ""
    return rest, (
        f"no record: row {index[0] + 1} holds words above numbers, as a line of units does ({', '.join(map(shorten, given[:6]))}); training "
        "leaves it out, scoring answers it with an error; take it out of the file"
    )


def _is_word(text: object) -> bool:
    word = str(text).strip()
    return bool(word) and word not in NO_NUMBER_WORDS and not any(sign.isdigit() for sign in word.lstrip("[(")[:1])
