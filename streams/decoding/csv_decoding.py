"""CSV lines into columns. Messages -> Decoded; one record a message, the column names given once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Decoded, number_type
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.cells import MISSING_WORDS, Spelling, has_decimal_commas, number_in, spelling_of
from latentwatch.streams.decoding.columns import Columns, Faults, TimeBound, assemble, shorten, words
from latentwatch.streams.decoding.csv_rows import column_names, split_row
from latentwatch.streams.decoding.framing import foreign
from latentwatch.streams.ports import Messages

_FILE_ENTITY = "; if each file is an entity of its own, say 'entity: {file: true}' in the monitor's record"


class CsvDecoder:
    """Reads one CSV line a message. Safe to share between threads.

    Raises InvalidInput at construction when the header lacks a field of the schema, or has a name twice.
    """

    def __init__(
        self, schema: RecordSchema, header: Sequence[str], delimiter: str = ",", bound: TimeBound | None = None
    ) -> None:
        self._schema = schema
        self._header = column_names(header)
        self._delimiter = delimiter
        self._bound = bound
        # A feature's path is its column's name; a header made of the schema's own names has the name instead.
        columns = {
            feature.name: feature.path if feature.path in self._header else feature.name for feature in schema.features
        }
        wanted = [*columns.values(), *filter(None, (schema.time,)), *schema.entity_fields]
        if absent := [name for name in wanted if name not in self._header]:
            raise InvalidInput(
                f"the CSV header lacks {', '.join(map(repr, absent))}; it has {', '.join(map(repr, self._header[:20]))}."
                f" Correct the monitor's field names or the header{_FILE_ENTITY if absent == list(schema.entity_fields) else ''}"
            )
        self._places = {name: self._header.index(column) for name, column in columns.items()}
        self._time = self._header.index(schema.time) if schema.time else None
        self._entity = self._header.index(schema.entity_fields[0]) if schema.entity_fields else None

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends either as a row of the batch, in order, or as a dead letter."""
        faults = Faults()
        cells = list(zip(*self._rows(messages, faults), strict=True)) or [()] * len(self._header)
        schema, count, commas = self._schema, len(messages), has_decimal_commas(self._delimiter)
        numbers = np.empty((count, len(schema.numbers)), number_type(schema))
        for column, name in enumerate(schema.numbers):
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as such
                numbers[:, column] = _numbers(
                    name, cells[self._places[name]], spelling_of(schema, name, commas), faults
                )
        columns = Columns(
            numbers=numbers,
            categories=self._words(schema.categories, cells, count),
            texts=self._words(schema.texts, cells, count),
            times=None if self._time is None else [cell.strip() or None for cell in cells[self._time]],
            entities=None if self._entity is None else list(cells[self._entity]),
            faults=faults,
        )
        return assemble(schema, messages, columns, self._bound)

    def _rows(self, messages: Messages, faults: Faults) -> list[list[str]]:
        width = len(self._header)
        rows: list[list[str]] = []
        for number, value in enumerate(messages.values):
            try:
                rows.append(split_row(_line(value), self._delimiter, width))
            except ValueError as error:
                faults.refuse(number, str(error))
                rows.append([""] * width)
        return rows

    def _words(self, names: tuple[str, ...], cells: list[tuple[str, ...]], count: int) -> NDArray[np.object_]:
        out = np.empty((count, len(names)), object)
        for column, name in enumerate(names):
            out[:, column] = words([None if cell in MISSING_WORDS else cell for cell in cells[self._places[name]]])
        return out


def _line(value: bytes | None) -> bytes:
    if not value:
        raise ValueError("an empty line" if value is not None else "a tombstone: the message has no value")
    if strange := foreign(value):
        raise ValueError(f"not CSV: {strange}")
    return value


def _numbers(name: str, cells: tuple[str, ...], spelling: Spelling, faults: Faults) -> Any:
    """[N] numbers of one column; NaN where missing, and where it cannot be read."""
    if spelling.reads_plain:
        commas = spelling.decimal_commas and spelling.written is None
        try:
            return np.array([cell.replace(",", ".") for cell in cells] if commas else cells, np.float64)
        except ValueError:
            pass
    return [_number(row, name, cell, spelling, faults) for row, cell in enumerate(cells)]


def _number(row: int, name: str, cell: str, spelling: Spelling, faults: Faults) -> float:
    number = number_in(cell, spelling)
    if number is not None:
        return number
    wanted = "true or false" if spelling.boolean else "a number"
    faults.leave_out(row, name, f"field {name!r} is text ({shorten(cell)}), {wanted} belongs there")
    return np.nan
