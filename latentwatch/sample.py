"""A file's first records as columns, each with its text and its numbers: what a first monitor is guessed from.

TableFile → list[Column]; the parts of an object are columns of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pandas as pd

from latentwatch.detector.sampled_columns import MOST_CATEGORIES, Column
from latentwatch.domain.field_settings import Written
from latentwatch.number_spellings import find_spelling, has_decimal_comma
from latentwatch.streams.decoding.cells import NO_NUMBER_WORDS
from latentwatch.tables import TableFile, as_masked

MOSTLY_NUMBERS = 0.95
"""From this share of numbers on, a column of many values is a quantity, and its words are mistakes in the sample."""
_NEARLY_ALL_NUMBERS = 0.999
"""From this share on, one of few values is too."""
SAMPLE_ROWS = 20_000
_LOOK = 1_000
"""Objects that are looked at for their parts."""


def read_sample(file: TableFile) -> list[Column]:
    """Its columns; an object's parts are columns of their own."""
    columns = _columns(file, file.columns, inside=False)
    found: list[Column] = []
    for column in columns:
        parts = _parts(file, column)
        found += [_looked_into(file, each) for each in parts or [column]]
    known = {column.written for column in found if column.written and not column.others}
    # A program writes all its numbers alike, so that those which prove how settle it for the others.
    commas = not known and file.decimal_commas and any(map(has_decimal_comma, found))
    if len(known) != 1 and not commas:
        return found
    form = "1.234,5" if commas else known.pop()
    return [
        _judged(column.name, column.texts, column.typed_time, column.inside, file.decimal_commas, form)
        if column.others or (not commas and column.written is None and column.numbers is not None)
        else column
        for column in found
    ]


def resampled(columns: Sequence[Column], rows: "pd.Series[Any]", decimal_commas: bool) -> list[Column]:
    """The chosen rows of columns, each judged by what is left of it; rows keep their numbers."""
    return [
        replace(
            _judged(column.name, column.texts[rows], column.typed_time, column.inside, decimal_commas, form),
            packed=column.packed,
        )
        for column in columns
        for form in (None if column.others else column.written,)  # what nothing proves is not known
    ]


def _columns(file: TableFile, names: Sequence[str], inside: bool) -> list[Column]:
    texts = file.select([str(file.word(name)) for name in names], limit=SAMPLE_ROWS)
    return [
        _column(name, found, file.types.get(name, "").startswith(("TIMESTAMP", "DATE")), inside, file.decimal_commas)
        for name, found in zip(names, texts, strict=True)
    ]


def _parts(file: TableFile, column: Column) -> list[Column]:
    """The parts of an object, of parts that are objects theirs; none of what is no object or is called with a dot."""
    if file.format == "csv" or not column.nested:
        return []
    paths: dict[str, None] = {}
    for value in _values(file, column):
        paths |= dict.fromkeys(_paths(column.name, value))
    return _columns(file, list(paths), inside=True) if paths else []


def _looked_into(file: TableFile, column: Column) -> Column:
    """The same, knowing whether its text is JSON objects: what a device sent, put into a message as text."""
    if not column.nested:
        return column
    texts = column.texts if file.format == "csv" else _values(file, column)
    given = [text for text in texts if isinstance(text, str)][:_LOOK]
    return replace(column, packed=bool(given) and all(_is_object(text) for text in given))


def _values(file: TableFile, column: Column) -> list[Any]:
    """A column's first values, as JSON has them; none where it cannot hold them, as it cannot a struct's NaN."""
    values, missing = as_masked(file.select([str(file.json(column.name))], limit=_LOOK)[0])
    try:
        return [msgspec.json.decode(text) for text in values[~missing]]
    except msgspec.DecodeError:
        return []


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False


def _paths(path: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for key, part in value.items():
        if "." in key or '"' in key:
            continue
        if isinstance(part, dict):
            yield from _paths(f"{path}.{key}", part)
        else:
            yield f"{path}.{key}"


def _column(name: str, found: Any, typed_time: bool, inside: bool, decimal_commas: bool) -> Column:
    values, missing = as_masked(found)
    texts = pd.Series(values.astype(object)).mask(missing, None)
    return _judged(name, texts, typed_time, inside, decimal_commas)


def _judged(
    name: str,
    texts: "pd.Series[Any]",
    typed_time: bool,
    inside: bool,
    decimal_commas: bool,
    known: Written | None = None,
) -> Column:
    words = texts.mask(texts.astype(str).str.strip().isin(NO_NUMBER_WORDS), None)
    spelling = find_spelling(words, decimal_commas, known)
    strays = words[spelling.numbers.isna() & words.notna()]
    given = int(words.notna().sum())
    numeric = MOSTLY_NUMBERS if texts.nunique() > MOST_CATEGORIES else _NEARLY_ALL_NUMBERS
    if given and len(strays) <= (1 - numeric) * given:
        found = (spelling.written, spelling.unit, spelling.units, spelling.others)
        return Column(name, texts, spelling.numbers, typed_time, strays, inside, *found)
    return Column(name, texts, None, typed_time, strays[:0], inside)
