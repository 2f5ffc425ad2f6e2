"""CSV lines into columns. Messages -> Decoded; one record a message, the column names given once."""

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidInput
from domain.record import Decoded
from domain.schema import FeatureType, RecordSchema
from streams.decoding.cells import MISSING_WORDS, number_in
from streams.decoding.columns import Columns, TimeBound, assemble, shorten
from streams.ports import Messages

_DELIMITERS = (",", ";", "\t", "|")


class CsvDecoder:
    """Reads one CSV line a message. Safe to share between threads.

    Raises InvalidInput at construction when the header lacks a field of the schema.
    """

    def __init__(
        self, schema: RecordSchema, header: Sequence[str], delimiter: str = ",", bound: TimeBound | None = None
    ) -> None:
        self._schema = schema
        self._header = [name.strip() or f"column{place}" for place, name in enumerate(header)]
        self._delimiter = delimiter
        self._bound = bound
        wanted = [*schema.names, *filter(None, (schema.time, schema.entity))]
        if absent := [name for name in wanted if name not in self._header]:
            raise InvalidInput(
                f"the CSV header lacks {', '.join(map(repr, absent))}; it has {', '.join(map(repr, self._header[:20]))}."
                " Correct the monitor's field names or the header"
            )
        self._places = {name: self._header.index(name) for name in schema.names}
        self._time = self._header.index(schema.time) if schema.time else None
        self._entity = self._header.index(schema.entity) if schema.entity else None

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends either as a row of the batch, in order, or as a dead letter."""
        refused: dict[int, str] = {}
        cells = list(zip(*self._rows(messages, refused), strict=True)) or [()] * len(self._header)
        schema, count = self._schema, len(messages)
        numbers = np.empty((count, len(schema.numbers)), np.float32)
        for column, name in enumerate(schema.numbers):
            boolean = schema.feature(name).type is FeatureType.BOOLEAN
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as such
                numbers[:, column] = _numbers(name, cells[self._places[name]], boolean, refused)
        columns = Columns(
            numbers=numbers,
            categories=self._words(schema.categories, cells, count),
            texts=self._words(schema.texts, cells, count),
            times=None if self._time is None else [cell.strip() or None for cell in cells[self._time]],
            entities=None if self._entity is None else list(cells[self._entity]),
            refused=refused,
        )
        return assemble(schema, messages, columns, self._bound)

    def _rows(self, messages: Messages, refused: dict[int, str]) -> list[list[str]]:
        width = len(self._header)
        rows: list[list[str]] = []
        for number, value in enumerate(messages.values):
            row = self._row(number, value, refused)
            if len(row) != width and number not in refused:
                refused[number] = (
                    f"{len(row)} columns where the header has {width}: {shorten(self._delimiter.join(row))}"
                )
            rows.append(row if number not in refused else [""] * width)
        return rows

    def _row(self, number: int, value: bytes | None, refused: dict[int, str]) -> list[str]:
        if not value:
            refused[number] = "an empty line" if value is not None else "a tombstone: the message has no value"
            return []
        try:
            line = value.decode("utf-8")
            if '"' not in line:
                return line.rstrip("\r\n").split(self._delimiter)
            return next(csv.reader([line], delimiter=self._delimiter, strict=True), [])
        except UnicodeDecodeError as error:
            refused[number] = f"not UTF-8 text: {error.reason} at byte {error.start}"
        except csv.Error as error:
            refused[number] = f"not valid CSV: {error}"
        return []

    def _words(self, names: tuple[str, ...], cells: list[tuple[str, ...]], count: int) -> NDArray[np.object_]:
        out = np.empty((count, len(names)), object)
        for column, name in enumerate(names):
            out[:, column] = [None if cell in MISSING_WORDS else cell for cell in cells[self._places[name]]]
        return out


def _numbers(name: str, cells: tuple[str, ...], boolean: bool, refused: dict[int, str]) -> Any:
    """[N] numbers of one column; NaN where missing, and where refused."""
    if not boolean:
        try:
            return np.array(cells, np.float64)
        except ValueError:
            pass
    return [_number(row, name, cell, boolean, refused) for row, cell in enumerate(cells)]


def _number(row: int, name: str, cell: str, boolean: bool, refused: dict[int, str]) -> float:
    number = number_in(cell, boolean)
    if number is not None:
        return number
    wanted = "true or false" if boolean else "a number"
    refused.setdefault(row, f"field {name!r} is text ({shorten(cell)}), {wanted} belongs there")
    return np.nan


def sniff_delimiter(line: str) -> str:
    """The delimiter of a header line: the commonest candidate, a comma where there is none.

    >>> sniff_delimiter("datetime;Pressure;Current")
    ';'
    """
    return max(_DELIMITERS, key=lambda delimiter: (line.count(delimiter), delimiter == ","))
